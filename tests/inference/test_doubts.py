"""What speaks against an answer is told with it."""

import numpy as np
import pytest

from tests.conftest import make_tubes
from vcma.inference.doubts import explained
from vcma.inference.grounder import Grounder
from vcma.inference.untrained import label_encoder
from vcma.model.clip import crop
from vcma.model.settings import UntrainedSettings
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes

SETTINGS = UntrainedSettings(
    beta=1.0, kappa=8.0, label_prior=1.25, score_prior=1.0, relation_prior=1.0,
    region_text_prior=1.0, region_text_time=0.0, prompts="a photo of {}", time="span", margin=0.5, throughout=0.5,
    co_presence=1.0, refinements=3,
)  # fmt: skip


def asked(head: str, flags: tuple[str, ...] = ()) -> Sentence:
    return Sentence(f"v/{head}", "v", 0, -1, (f"the {head}",), (head,), ((),), 0, (), flags)


def predicted(tubes: dict, *sentences: Sentence) -> list:
    tubes = Tubes.of(tubes)
    encoder = label_encoder(tubes.class_name, tubes.attribute_name, tubes.feature.shape[1])
    return Grounder.untrained(SETTINGS, 40, encoder, "cpu").in_clip(tubes, crop(tubes, 0, -1, 40), sentences)


@pytest.fixture
def tubes() -> dict:
    """Four tubes: two adults, a dog and a ball, all sure and of constant appearance."""
    made = make_tubes(0, gaps=False)
    feature = np.eye(4, made["feature"].shape[1], dtype=np.float16)[np.repeat(np.arange(4), len(made["frame"]))]
    return made | {"class_prob": np.eye(3, dtype=np.float16)[[0, 0, 1, 2]], "feature": feature}


def test_what_is_plainly_there_is_doubted_by_nothing(tubes):
    dog, ball = predicted(tubes, asked("dog"), asked("ball"))
    for p in (dog, ball):
        assert p.absent < 0.1 and p.interpolated == 0 and p.flags == ("no_relation",)


def test_absence_grows_as_class_and_score_fall(tubes):
    (sure,) = predicted(tubes, asked("dog"))
    (faint,) = predicted(tubes | {"score": np.full(len(tubes["score"]), 0.1, np.float32)}, asked("dog"))
    (none,) = predicted(tubes | {"class_prob": np.eye(3, dtype=np.float16)[[0, 0, 0, 2]]}, asked("dog"))
    assert sure.absent < faint.absent and sure.absent < none.absent
    assert none.absent > 0.5 and {"absent", "unlike:dog"} <= set(none.flags)


def test_a_word_without_a_class_and_the_parsers_doubts_are_flags(tubes):
    (zebra,) = predicted(tubes, asked("zebra", ("unresolved_pronoun",)))
    assert {"no_class:zebra", "unresolved_pronoun"} <= set(zebra.flags)
    assert "the detector has no class 'zebra'; the most similar classes are used instead" in explained(zebra.flags)


def test_mostly_interpolated_boxes_are_told_over_the_answer_alone(tubes):
    frames = len(tubes["frame"])
    dog = slice(2 * frames, 3 * frames)
    guessed = np.zeros(len(tubes["score"]), bool)
    guessed[dog] = np.arange(frames) % 4 > 0
    (p,) = predicted(tubes | {"interpolated": guessed}, asked("dog"))
    assert p.interpolated == pytest.approx(0.75) and "interpolated" in p.flags
    assert "most of the boxes are interpolated between detections" in explained(p.flags)


def test_without_class_names_nothing_is_said_of_absence(tubes):
    bare = tubes | {"class_name": np.zeros(0, object), "class_prob": np.zeros((4, 0), np.float16)}
    (p,) = predicted(bare, asked("dog"))
    assert p.absent == -1 and not any(flag.startswith(("no_class", "unlike", "absent")) for flag in p.flags)


def test_absence_is_a_calibrated_rule_of_class_and_score(tubes):
    """The log-odds of absence fall by 1.3 for every factor e of agreement times score."""
    read = Tubes.of(tubes)
    encoder = label_encoder(read.class_name, read.attribute_name, read.feature.shape[1])
    encoder.prepare([asked("dog")])
    odds = []
    for score in (0.8, 0.8 / np.e):
        clip = crop(Tubes.of(tubes | {"score": np.full(len(tubes["score"]), score, np.float32)}), 0, -1, 40)
        (present,) = encoder.presence(asked("dog"), clip)
        odds.append(np.log((1 - present) / present))
    assert odds[1] - odds[0] == pytest.approx(1.3, abs=1e-4)


def test_what_the_parser_doubts_is_explained():
    lines = list(explained(["misspelt:dgo=dog", "not_judged:without_red_hat", "no_relation"]))
    assert lines == [
        "an unknown word was read as 'dog' (dgo=dog)",
        "'without red hat' is not evaluated: the answer may contradict it",
    ]
