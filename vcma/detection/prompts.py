"""Prompts for open-vocabulary detectors: the noun phrases in the sentences of each video."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from vcma.errors import InputError
from vcma.records.columns import Columns
from vcma.records.noun_phrases import prompts_of
from vcma.records.sentence import Sentence, sentences

Prompt = tuple[str, ...]  # nouns and noun phrases, each once, sorted


def prompt(of_video: Iterable[Sentence]) -> Prompt:
    """Return the nouns and noun phrases of all sentences of one video."""
    return tuple(sorted({phrase for sentence in of_video for phrase in prompts_of(sentence)}))


def video_prompts(samples: Columns, queries: Columns) -> dict[str, Prompt]:
    """Return the prompt of each video, over its sentences in all splits, from the SAMPLES and QUERIES columns.

    Raises InputError if a sentence has not been parsed.
    """
    if unparsed := set(samples["sample"]) - set(queries["sample"]):
        what = f"{len(unparsed):,} sentences of samples.h5 are missing, e.g. '{min(unparsed)}'"
        raise InputError(what, "queries.h5", "parse them: python stages/parse_queries.py")
    named: dict[str, list[Sentence]] = {video: [] for video in samples["video"]}
    for split in sorted(set(samples["split"])):
        for sentence in sentences(samples, queries, split):
            named[sentence.video].append(sentence)
    return {video: prompt(of_video) for video, of_video in named.items()}


def prompt_digest(phrases: Prompt) -> str:
    """Hash a prompt."""
    return hashlib.sha256("\n".join(phrases).encode()).hexdigest()[:32]


def described(prompts: Sequence[Prompt]) -> str:
    """Describe prompts in a stage's summary line."""
    phrases = {phrase for of_video in prompts for phrase in of_video}
    return f"prompted with {len(phrases):,} noun phrases from the sentences of all splits, val and test included"
