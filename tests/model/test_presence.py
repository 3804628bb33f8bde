"""Which entities have tubes, and which tubes are visible together."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import make_tubes
from tests.model.test_em import UNTRAINED, sentence
from vcma.inference.untrained import label_encoder
from vcma.model.clip import crop
from vcma.model.decoding import predict
from vcma.model.evidence import untrained_evidence
from vcma.model.presence import co_presence, presence
from vcma.model.sentence_posteriors import untrained_posteriors
from vcma.records.tubes import Tubes

HALF = 8  # frames of each of two shots
FIRST, SECOND = slice(0, HALF), slice(HALF, 2 * HALF)


@pytest.fixture
def shots():
    """Two shots: a clear adult in the first; an adult, less clear, with a dog in the second."""
    tubes = make_tubes(0, 3, 2 * HALF, gaps=False)
    tubes["class_name"] = np.array(["adult", "dog"], dtype=object)
    tubes["class_prob"] = np.float16([[1, 0], [1, 0], [0, 1]])
    tubes["box"] = np.tile(np.float32([20, 20, 60, 60]), (3 * 2 * HALF, 1))
    clip = crop(Tubes.of(tubes), 0, -1, 64)
    present = clip.present.copy()
    present[0, SECOND] = present[1, FIRST] = present[2, FIRST] = False
    score = np.float32([0.9, 0.8, 0.9])
    return replace(clip, present=present, score=score)


def encoded(clip, told):
    encoder = label_encoder(["adult", "dog"], ["red", "blue"], clip.feature.shape[1])
    encoder.prepare([told])
    return encoder.batch([clip], [[told]]).to("cpu")


def answer(clip, told, **changes):
    batch = encoded(clip, told)
    (found,) = untrained_posteriors(replace(UNTRAINED, **changes), batch, "cpu")
    return predict(told, clip, found)


def test_presence_follows_agreement_and_score():
    agreement, score = np.log([1.0, 0.1]), np.float32([0.9, 0.9])
    assert presence(agreement, score) == pytest.approx(1 / (1 + np.exp(-(2.4 + 1.3 * np.log(0.9)))))
    assert presence(agreement[1:], score[1:]) < presence(agreement, score / 2) < presence(agreement, score)


def test_a_rider_is_looked_for_where_the_animal_is(shots):
    rider = sentence(relations=((0, "sit with", 1),), heads=("adult", "dog"))
    rider = replace(rider, attributes=((), ()))
    alone = replace(rider, relations=())
    assert answer(shots, alone).answer.tube == 0  # the clearer one
    found, without = answer(shots, rider), answer(shots, rider, co_presence=0.0)
    assert found.entity_tube.tolist() == [1, 2]
    assert found.posterior[0, 1] > without.posterior[0, 1] + 0.05


def test_an_entity_that_the_detector_does_not_know_says_nothing(shots):
    told = replace(sentence(relations=((0, "cross", 1),), heads=("adult", "obstacle")), attributes=((), ()))
    batch = encoded(shots, told)
    assert batch.entity_present.tolist() == [pytest.approx(0.9, abs=0.05), 0]
    found = co_presence(batch, batch.over_candidates(batch.entity_label))
    assert found[0].tolist() == [0, 0, 0] and (found[1] < -0.1).all()
    pair = untrained_evidence(UNTRAINED, batch).pair
    assert not pair.any()


def test_co_presence_by_hand(shots):
    told = replace(sentence(relations=((0, "sit with", 1),), heads=("adult", "dog")), attributes=((), ()))
    batch = encoded(shots, told)
    log_z = batch.over_candidates(batch.entity_label)
    z, (adult, dog) = log_z.exp().numpy(), batch.entity_present.tolist()
    share = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]])
    by_hand = [np.log(1 - dog + dog * share @ z[1]), np.log(1 - adult + adult * share @ z[0])]
    np.testing.assert_allclose(co_presence(batch, log_z), by_hand, rtol=1e-4)


def test_an_unknown_entity_takes_no_tube_from_the_target(shots):
    told = replace(sentence(relations=((0, "cross", 1),), heads=("adult", "obstacle")), attributes=((), ()))
    found = answer(shots, told)
    assert found.entity_tube[0] == 0 and found.entity_tube[1] != 0


def test_the_span_is_that_of_the_answers_own_tube(shots):
    """Nothing in the sentence changes over time: the span is the presence of the tube, whatever others do."""
    told = replace(sentence(relations=(), heads=("adult",)), attributes=((),))
    for score, tube, frames in (([0.9, 0.88, 0.9], 0, FIRST), ([0.88, 0.9, 0.9], 1, SECOND)):
        clip = replace(shots, score=np.float32(score))
        found = answer(clip, told).answer
        border = clip.frame[frames.start]
        assert found.tube == tube
        assert (found.begin <= border < found.end) and found.end - found.begin == pytest.approx(
            np.ptp(clip.frame) / 2, rel=0.2
        )
