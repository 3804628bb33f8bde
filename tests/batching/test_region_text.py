"""What an encoder sees reaches the prior: by segment, against the labels, and as doubts."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import make_tubes
from tests.inference.test_doubts import SETTINGS, asked
from tests.text.test_region_text import AXES, Tower, regions
from vcma.inference.grounder import Grounder
from vcma.inference.untrained import label_encoder
from vcma.model.clip import crop
from vcma.records.embeddings import Embeddings
from vcma.records.tubes import Tubes
from vcma.text.region_text import RegionText

UNLABELLED = replace(SETTINGS, label_prior=0.0, score_prior=0.0)


def seen(*texts, frames=(0, 33)) -> Embeddings:
    """Crops of tubes, each of which looks like a text in all of some frames."""
    vectors = np.repeat(regions(*texts), len(frames), 0)
    return Embeddings(
        "tower context 0", np.repeat(np.arange(len(texts)), len(frames)), np.tile(frames, len(texts)), vectors
    )


@pytest.fixture
def tubes() -> Tubes:
    """Four tubes, of which the detector's labels say the contrary of what there is to be seen."""
    labels = np.eye(3, dtype=np.float16)[[1, 0, 2, 2]]
    return Tubes.of(make_tubes(0, gaps=False) | {"class_prob": labels})


def predicted(tubes, embeddings, *sentences, settings=UNLABELLED):
    relations = settings.region_text_time > 0
    region_text = RegionText(Tower(), "a photo of {}", tuple(tubes.class_name), relations)
    encoder = label_encoder(tubes.class_name, tubes.attribute_name, tubes.feature.shape[1], region_text, "tower")
    return Grounder.untrained(settings, 40, encoder, "cpu").in_clip(
        tubes, crop(tubes, 0, -1, 40, embeddings), sentences
    )


def test_the_tube_that_looks_like_the_phrase_is_the_answer_where_its_weight_says_so(tubes):
    looks = seen("adult", "dog", "ball", "red ball")
    found = predicted(tubes, looks, asked("adult"), asked("dog"), asked("red ball"))
    assert [p.answer.tube for p in found] == [0, 1, 3]
    labelled = replace(SETTINGS, score_prior=0.0, region_text_prior=0.0)
    assert [p.answer.tube for p in predicted(tubes, looks, asked("adult"), asked("dog"), settings=labelled)] == [
        1,
        0,
    ]


def test_only_what_is_seen_in_the_segment_counts_where_there_is_any(tubes):
    looks = seen("dog", "ball", "adult", frames=(3,))
    later = seen("adult", "ball", frames=(30,))
    both = Embeddings(
        "tower context 0",
        np.concatenate([looks.tube, later.tube]),
        np.concatenate([looks.frame, later.frame]),
        np.concatenate([looks.embedding, later.embedding]),
    )
    early, late = crop(tubes, 0, 15, 40, both).embedding, crop(tubes, 15, 40, 40, both).embedding
    np.testing.assert_allclose(early[:3], regions("dog", "ball", "adult"), atol=1e-5)
    np.testing.assert_allclose(late[:3], regions("adult", "ball", "adult"), atol=1e-5)
    assert not early[3].any() and not late[3].any()
    assert crop(tubes, 0, -1, 40).embedding.shape == (4, 0)


def test_a_relation_lasts_as_long_as_crops_show_it_where_its_weight_says_so(tubes):
    """The adult is red, which here stands for an action, in a part of the time; the words have no cue."""
    frames = (0, 9, 12, 21, 24, 33)
    looks = ("adult",) * 2 + ("adult red",) * 2 + ("adult",) * 2
    crops = Embeddings("tower context 0", np.zeros(6, np.int64), np.array(frames), regions(*looks))
    asking = replace(asked("adult"), relations=((0, "red", -1),))
    spans = {}
    for weight in (0.0, 1.0):
        settings = replace(UNLABELLED, region_text_time=weight)
        answer = predicted(tubes, crops, asking, settings=settings)[0].answer
        spans[weight] = answer.begin, answer.end
    assert spans == {0.0: (0, 34), 1.0: (11, 23)}


def test_no_tube_that_looks_like_a_phrase_is_a_doubt_and_a_word_without_a_class_is_none(tubes):
    looks = seen("adult", "adult", "ball", "adult")
    tubes = replace(tubes, class_prob=np.eye(3, dtype=np.float16)[[0, 0, 2, 2]])
    dog, ball, blue, who = predicted(tubes, looks, asked("dog"), asked("ball"), asked("blue"), asked("who"))
    assert "unlike:dog" in dog.flags and "absent" in dog.flags
    for p in (ball, who):
        assert not any(flag.startswith(("unlike", "no_class", "absent")) for flag in p.flags)
    assert "unlike:blue" in blue.flags and "no_class:blue" not in blue.flags
    long = asked("red ball of a red adult of a blue dog")
    assert any(flag.startswith("cut:red-ball") for flag in predicted(tubes, looks, long)[0].flags)


def test_without_class_names_the_encoder_alone_tells_of_absence(tubes):
    nothing = {"class_name": np.zeros(0, object), "prompted": np.zeros(0, bool)}
    bare = replace(tubes, **nothing, class_prob=np.zeros((4, 0), np.float16))
    there, gone = predicted(bare, seen("dog", "ball", "ball", "ball"), asked("dog"), asked("adult"))
    assert 0 <= there.absent < gone.absent and len(AXES) == 6
