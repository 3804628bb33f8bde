"""The prompt of each video, from all its sentences, and its hash."""

import numpy as np
import pytest

from vcma.detection.prompts import described, prompt_digest, video_prompts
from vcma.errors import InputError
from vcma.parsing.parser import parse
from vcma.records.query import query_columns

SENTENCES = (
    ("a", "train", "The man in the red coat walks next to a small dog."),
    ("b", "val", "Who is behind the zebra?"),
    ("a", "test", "a dog runs away from the tallest man"),
)


def columns(rows=SENTENCES):
    videos = sorted({video for video, *_ in rows})
    samples = {
        "video": np.array([*videos, "without a sentence"], object),
        "sample": np.array([f"s{i}" for i in range(len(rows))], object),
        "sample_video": np.array([videos.index(video) for video, *_ in rows]),
        "split": np.array([split for _, split, _ in rows], object),
        "segment_begin": np.zeros(len(rows), int),
        "segment_end": np.full(len(rows), -1),
    }
    queries = query_columns(list(parse([text for *_, text in rows])))
    return samples, {"sample": samples["sample"], **queries}


def test_all_sentences_of_a_video_of_any_split_are_its_prompt():
    assert video_prompts(*columns()) == {
        "a": ("dog", "man", "man in red coat", "small dog"),
        "b": ("person", "zebra"),
        "without a sentence": (),
    }


def test_the_order_of_sentences_is_of_no_consequence_and_a_new_noun_is():
    found, turned = (video_prompts(*columns(rows)) for rows in (SENTENCES, SENTENCES[::-1]))
    assert found == turned and prompt_digest(found["a"]) == prompt_digest(turned["a"])
    more = video_prompts(*columns((*SENTENCES, ("b", "test", "a lion sleeps"))))
    assert more["a"] == found["a"] and prompt_digest(more["b"]) != prompt_digest(found["b"])
    assert described(list(found.values())) == (
        "prompted with 6 noun phrases from the sentences of all splits, val and test included"
    )


def test_queries_of_other_sentences_are_refused():
    samples, queries = columns()
    queries["sample"] = np.array(["s0", "s1", "old"], object)
    with pytest.raises(InputError, match=r"queries.h5: 1 sentences of samples.h5 are missing, e.g. 's2'; parse"):
        video_prompts(samples, queries)
