"""Which round is kept, and what is measured of each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_tubes
from tests.evaluation.truths import make_truth
from tests.model.test_em import SETTINGS, batch_of, sentence
from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder
from vcma.model.clip import crop
from vcma.model.evidence import build
from vcma.model.prominence import prominence
from vcma.model.vocabulary import vocabulary
from vcma.records.tubes import Tubes
from vcma.report.rounds import rounds_figure, rounds_table
from vcma.text.features import WORDLLAMA
from vcma.text.static_vectors import static_vectors
from vcma.training.instruments import MEASURES, query_types, round_row
from vcma.training.trainer import Trainer, fit
from vcma.training.validation import Validation


def history_of(scores, **changes):
    """The history of a training of one warm-up and as many rounds as there are further scores of p."""
    words, batch = batch_of()
    settings = replace(SETTINGS, warm_up=1, rounds=len(scores) - 1, **changes)
    given = iter(scores)
    trainer = Trainer(build(words, static_vectors, settings))
    return fit(
        trainer,
        lambda number: [batch],
        lambda model: {"score_p": next(given), "score_q": 0.0},
        lambda rows: None,
        [],
        "cpu",
    )


def test_the_state_after_the_warm_up_is_kept_where_no_round_is_better():
    rows = history_of([0.3, 0.2, 0.25, 0.1], stop="val", patience=9)
    assert [row["round"] for row in rows if row["best"]] == [0]
    rows = history_of([0.3, 0.2, 0.4, 0.1], stop="val", patience=9)
    assert [row["round"] for row in rows if row["best"]] == [0, 2]


def test_patience_counts_from_the_start_too():
    assert [row["round"] for row in history_of([0.3, 0.2, 0.2, 0.2, 0.9], stop="val", patience=2)] == [0, 1, 2]


@pytest.mark.parametrize("stop", ["elbo", "rounds"])
def test_without_scores_the_start_is_no_round(stop):
    rows = history_of([0.9, 0.2, 0.25], stop=stop, patience=9)
    assert not rows[0]["best"]
    assert rows[1]["best"]


class InMemory(ClipStore):
    """Tubes and clips of two videos that are in no file."""

    def __init__(self):
        super().__init__(Path(), 40, "ab")
        self.all = {v: Tubes.of(make_tubes(i, 3, 10, gaps=False)) for i, v in enumerate("ab")}

    def tubes(self, video):
        return self.all[video]

    def __call__(self, key):
        return crop(self.all[key[0]], key[1], key[2], 40)


def measured():
    told = [sentence(video, relations) for video, relations in (("a", ((0, "chase", 1),)), ("b", ()))]
    words = vocabulary([*told, *told], ["adult", "dog", "ball"], ["red", "blue"], 6, WORDLLAMA)
    encoder = Encoder(words)
    store = InMemory()
    last = int(store.all["a"].frame[-1]) + 1
    boxes = {int(f): b for f, b in zip(store.all["a"].frame, store.all["a"].box[:10], strict=True)}
    truth = make_truth(((0, last), (0, last), boxes), ((0, last), (0, last), boxes))
    truth |= {"sample": np.array(["a/0", "b/0"]), "video": np.array(["a", "b"])}
    truth["query_type"] = np.array(["declarative", "interrogative"])
    validation = Validation(told, truth, store, encoder, "cpu")
    return validation, build(words, static_vectors, SETTINGS)


def test_a_round_is_measured_by_query_type():
    validation, model = measured()
    row = round_row(validation, model)
    assert query_types([row]) == ["declarative", "interrogative"]
    assert {key for key in row if key.startswith("tube ")} == {"tube declarative", "tube interrogative"}
    judged = validation.judged(model)
    scores = validation.scores([j.answer("p") for j in judged])
    assert row["score_p"] == pytest.approx(scores.viou.mean())
    for i, name in enumerate(query_types([row])):
        j = judged[i]
        z = np.exp(j.posteriors.p.log_z[j.sentence.target])
        assert row[f"m_vIoU {name}"] == pytest.approx(scores.viou[i])
        assert row[f"m_tIoU {name}"] == pytest.approx(scores.tiou[i])
        assert row[f"H_z {name}"] == pytest.approx(-(z * np.log(z)).sum(), abs=1e-5)
        terms = [row[f"{term} {name}"] for term in ("alignment", "time", "relations")]
        assert terms == pytest.approx(j.posteriors.p.objective.tolist())
        start = validation.encoder.label_prior(j.sentence, j.clip)[j.sentence.target]
        start = np.exp(SETTINGS.label_prior * start + SETTINGS.score_prior * prominence(j.clip))
        assert row[f"moved {name}"] == pytest.approx((z * np.log(z / (start / start.sum()))).sum(), abs=1e-5)
    assert row["tube interrogative"] in (0, 1)  # the truth of the other video: whatever it is, it is one sentence


def test_the_terms_of_the_objective_are_those_of_the_e_step():
    validation, model = measured()
    alone = replace(model, settings=replace(model.settings, beta=0.0))
    for j in validation.judged(alone):
        assert j.posteriors.p.objective[2] == 0  # no relation is read
        assert j.posteriors.p.objective[0] <= 1e-5  # a KL divergence from the prior, negated


def test_rounds_become_a_table_and_a_figure(tmp_path):
    validation, model = measured()
    rows = [{"round": i, **round_row(validation, model)} for i in range(3)]
    table = rounds_table([rows, rows[:2]])  # of two seeds, as far as both have got
    lines = table.splitlines()
    assert lines[0].split("|")[3:-1] == [f" {measure} " for measure in MEASURES]
    assert len(lines) == 2 + 2 * 2
    assert lines[2].startswith("| declarative | 0 | ")
    rounds_figure([rows, rows], tmp_path / "rounds.png")
    assert (tmp_path / "rounds.png").read_bytes().startswith(b"\x89PNG")


def test_sentences_are_judged_in_their_order_and_keep_no_geometry():
    """All clips of a split at once, with the geometry of all their pairs, would be gigabytes."""
    validation, model = measured()
    validation.sentences.reverse()
    validation = Validation(
        validation.sentences, validation.truth, validation.clips, validation.encoder, validation.device
    )
    judged = validation.judged(replace(model, settings=replace(model.settings, batch_clips=1)))
    assert [j.sentence.sample for j in judged] == ["b/0", "a/0"]
    assert not any({"pair", "single"} & set(vars(j.clip)) for j in judged)


def test_a_validation_without_tubes_has_no_measures():
    validation, model = measured()
    validation.sentences = []
    assert set(round_row(validation, model)) == {"score_p", "score_q"}
    assert np.isnan(round_row(validation, model)["score_p"])
