"""What the sentences of a video name, for detectors that are prompted with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from vcma.errors import InputError
from vcma.records.columns import Columns
from vcma.records.noun_phrases import prompts_of
from vcma.records.sentence import Sentence, sentences

Prompt = tuple[str, ...]  # nouns and noun phrases, each once, sorted


def prompt(of_video: Iterable[Sentence]) -> Prompt:
    """All that the sentences of one video name."""
    return tuple(sorted({phrase for sentence in of_video for phrase in prompts_of(sentence)}))


def video_prompts(samples: Columns, queries: Columns) -> dict[str, Prompt]:
    """The prompt of every video, from the SAMPLES and QUERIES columns: by the sentences of all its splits.

    Raises InputError where a sentence was not parsed.
    """
    if unparsed := set(samples["sample"]) - set(queries["sample"]):
        what = f"lacks {len(unparsed):,} sentences of samples.h5, e.g. '{min(unparsed)}'"
        raise InputError(what, "queries.h5", "parse them: python stages/parse_queries.py")
    named: dict[str, list[Sentence]] = {video: [] for video in samples["video"]}
    for split in sorted(set(samples["split"])):
        for sentence in sentences(samples, queries, split):
            named[sentence.video].append(sentence)
    return {video: prompt(of_video) for video, of_video in named.items()}


def prompt_digest(phrases: Prompt) -> str:
    """What tells prompts apart."""
    return hashlib.sha256("\n".join(phrases).encode()).hexdigest()[:32]


def described(prompts: Sequence[Prompt]) -> str:
    """What a stage's closing line says of its prompts."""
    phrases = {phrase for of_video in prompts for phrase in of_video}
    return f"prompted with {len(phrases):,} noun phrases of all sentences, those of val and test included"
