"""Openings that address the reader: "please show me when", "can you find", "I want to see".

The rest of the sentence is parsed as if it stood alone, so "you", "me" or "the part where" is never the target.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Each pattern matches whole words in lower case, each followed by a space.
_POLITE = "(?:(?:please|kindly|just|exactly|ok|okay|hi|hello|hey|,) )*"
_WISH = (
    "(?:(?:can|could|would|will) (?:you|we|i) "
    "|(?:i|we) (?:want|need|(?:would|'d) like) (?:you )?to |(?:i|we) (?:'m|am|'re|are) (?=looking|searching)"
    "|(?:i|we|you|do you) (?:can )?(?=see )|(?:let|help) (?:me|us|'s) (?:to )?)*"
)
_BEGINS_CLAUSE = (
    "(?=(?:the|an?|all|every|any|some|this|that|one|two|three|both|my|someone|people|please|exactly|if"
    "|who|what|which|whose|when|where) )"
)
_REQUEST = (
    "(?:(?:show|tell|give|find|locate) (?:to )?(?:me|us) |(?:find|locate) (?:out )?"
    "|(?:show|see|detect|identify|ground|localise|localize|track|highlight|retrieve|mark|spot|watch|point out"
    f"|(?:look|looking|search|searching) for) {_BEGINS_CLAUSE})"
)
_MOMENT = (
    "(?:the|an?|all|every|each|that|this) (?:the )?(?:exact |very |first |last |whole )?"
    "(?:(?:part|moment|scene|clip|video|footage|segment|section|point|time|shot|place|frame|interval)s? "
    "(?:of (?:the|this) video )?(?:when|where|in which|at which|during which|that shows?|showing) "
    "|(?:video|clip|footage|scene|shot)s? of (?=(?:an?|the|two|some|people|someone) ))"
)
_WHEN = "(?:(?:when|where|that|if) (?!(?:is|are|was|were|do|does|did) ))?"
_OPENING = re.compile(f"{_POLITE}{_WISH}{_POLITE}(?:{_REQUEST}{_POLITE}(?:{_MOMENT})?{_WHEN}|{_MOMENT})?{_POLITE}")


def opening_length(words: Sequence[str]) -> int:
    """Return the number of first (lower-case) words that are an opening: 0 if none is, or nothing follows."""
    found = _OPENING.match(" ".join([*words, ""]))
    length = found.group().count(" ") if found else 0
    return length if any(w[:1].isalnum() for w in words[length:]) else 0
