"""How well phrases fit regions: against other words, relative to the other tubes, and where nothing is known."""

import numpy as np
import pytest

from vcma.errors import InputError
from vcma.text.region_text import RegionText

AXES = (
    "adult",
    "dog",
    "ball",
    "red",
    "blue",
    "any",
)  # what a text and a region may have of each, and of everything


class Tower:
    """An encoder that understands AXES: the vector of a text has a part for each word of it that it knows."""

    def __init__(self, scale: float = 20.0):
        self.scale, self.asked = scale, []

    def embed_texts(self, texts):
        self.asked += texts
        vectors = np.array([[word in text.split() for word in AXES[:-1]] + [True] for text in texts], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def truncates(self, text):
        return len(text.split()) > 8


def regions(*texts):
    return Tower().embed_texts(texts)


def agreement(phrase, seen, names=("adult", "dog", "ball/sports_ball"), prompts="a photo of {}"):
    told = RegionText(Tower(), prompts, names)
    told.prepare([phrase])
    return told.log_agreement(phrase, seen)


def test_a_phrase_fits_what_it_describes_best_and_other_words_count_against_it():
    seen = regions("red adult", "blue adult", "red dog", "ball")
    assert agreement("the red adult", seen).argmax() == 0 and agreement("a dog", seen).argmax() == 2
    red_adult = agreement("the red adult", seen)
    assert red_adult[1] > red_adult[3] and red_adult[2] > red_adult[3]
    assert red_adult.max() < np.log(1.01) + 1e-6 and red_adult.min() > np.log(0.01) - 1e-6


def test_a_region_that_fits_any_text_is_no_evidence():
    """The plain cosine prefers the first, in which the encoder sees a little of everything."""
    seen = np.array([[0.5, 0.5, 0.5, 0.1, 0.1, 0.5], [0.0, 0.45, 0.0, 0.0, 0.0, 0.3]], np.float32)
    tower = Tower()
    assert (seen @ tower.embed_texts(["a dog"])[0]).argmax() == 0
    assert agreement("a dog", seen).argmax() == 1


def test_who_are_the_people_and_what_is_anything_else():
    seen = regions("adult", "dog", "ball")
    who, what = agreement("who", seen), agreement("what", seen)
    assert who.argmax() == 0 and what.argmin() == 0 and abs(what[1] - what[2]) < 1e-3
    np.testing.assert_allclose(np.exp(who) + np.exp(what), 1.02, atol=1e-5)


def test_a_tube_that_was_never_seen_is_neither_liked_nor_ruled_out():
    seen = regions("red adult", "dog", "ball")
    seen[2] = 0
    found = agreement("the red adult", seen)
    assert found[2] == pytest.approx(found[:2].mean())
    np.testing.assert_array_equal(agreement("the red adult", np.zeros((2, 6), np.float32)), [0, 0])
    assert agreement("the red adult", np.zeros((0, 6), np.float32)).shape == (0,)


def test_without_class_names_common_nouns_are_what_a_phrase_is_held_against():
    assert agreement("a dog", regions("adult", "dog", "ball"), names=()).argmax() == 1


def test_every_phrase_is_embedded_once_in_all_prompts():
    tower = Tower()
    told = RegionText(tower, "a photo of {} | {}", ["dog"])
    told.prepare(["red ball", "blue ball", "red ball"])
    told.prepare(["red ball"])
    told.prepare([])
    texts = ("a dog", "red ball", "blue ball")
    assert sorted(tower.asked) == sorted([*texts, *(f"a photo of {text}" for text in texts)])


def test_a_phrase_beyond_the_encoders_limit_is_known():
    told = RegionText(Tower(), "a photo of {}", ["dog"])
    assert not told.truncates("the red dog") and told.truncates("the red dog that is beside the ball")


@pytest.mark.parametrize("prompts", ["", "a photo", "a photo of {} | of", "{} and {}"])
def test_a_prompt_without_a_place_for_the_phrase_is_told(prompts):
    with pytest.raises(InputError, match=r"does not contain \{\} exactly once; write \{\} in place of"):
        RegionText(Tower(), prompts, ["dog"])
