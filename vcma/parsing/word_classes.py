"""Words and their classes: noun, verb, preposition, conjunction, ...

Corrects the tagger's parts of speech: in short or ungrammatical sentences it takes "pats", "hugs" or "watch" for
nouns. Function words are looked up in lists, verbs by their known forms and their neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vcma.parsing import lexicon as lx


@dataclass
class Word:
    """A token: text, lemma, Penn tag, character range [begin, end), and the class that `classify` assigns.

    Classes: noun, pron, adj, det, poss; verb, be, do, have, modal, inf ("to" before a verb); adv, prep, cc, wh,
    there, gen ("'s"); join (a hyphen or slash), stop, other.
    """

    text: str
    lemma: str
    tag: str
    begin: int
    end: int
    word_class: str = ""
    lower: str = field(init=False)

    def __post_init__(self) -> None:
        self.lower = _respelled(self.text.lower().replace("’", "'"))


class Words(list[Word]):
    """The words of a sentence. Accessors return class "stop" and an empty text beyond the last word."""

    def class_at(self, i: int) -> str:
        return self[i].word_class if i < len(self) else "stop"

    def lower_at(self, i: int) -> str:
        return self[i].lower if i < len(self) else ""

    def phrase(self, begin: int, end: int) -> str:
        """Return words [begin, end) in lower case, without determiners and possessives."""
        text = " ".join(w.lower for w in self[begin:end] if w.word_class not in ("det", "poss"))
        return text.replace(" - ", "-")


_CLOSED = {
    **dict.fromkeys(lx.ADVERBS, "adv"),
    **dict.fromkeys(lx.CONJUNCTIONS | lx.SEQUENCERS, "cc"),
    **dict.fromkeys(lx.DETERMINERS, "det"),
    **dict.fromkeys(lx.PRONOUNS, "pron"),
    **dict.fromkeys(lx.POSSESSIVES, "poss"),
    **dict.fromkeys(lx.WH_WORDS, "wh"),
    **dict.fromkeys(lx.BE, "be"),
    **dict.fromkeys(lx.DO, "do"),
    **dict.fromkeys(lx.HAVE, "have"),
    **dict.fromkeys(lx.MODALS, "modal"),
    **dict.fromkeys((".", "!", "?", ";", ":", "…"), "stop"),
    ",": "cc",
}
_PREPOSITION_WORDS = frozenset(spelling[0] for spelling in lx.PREPOSITIONS if len(spelling) == 1)
_SCRAMBLED = {(w[0], w[-1], "".join(sorted(w))): w for w in sorted(_PREPOSITION_WORDS) if len(w) > 4}
_DESCRIBING = lx.COLOURS | lx.SHADES | lx.EXTREMES
_NEVER_VERBS = (lx.PERSONS | lx.ANIMALS | lx.CLOTHES | lx.SCENES | lx.OBJECTS) - set(lx.VERB_FORMS)


def _respelled(word: str) -> str:
    """Correct common misspellings of prepositions: "insdie", "besidethe"."""
    if word.endswith("the") and word[:-3] in _PREPOSITION_WORDS:
        return word[:-3]
    return _SCRAMBLED.get((word[0], word[-1], "".join(sorted(word))), word) if 4 < len(word) < 10 else word


def classify(words: Sequence[Word]) -> None:
    """Set the class of every word, left to right, based on the classes before it and the tags after it."""
    doing = False  # an auxiliary "does" still lacks its bare verb
    for i, word in enumerate(words):
        word.word_class = _class_of(words, i, doing)
        if word.word_class == "do":
            doing = True
        elif word.word_class == "stop" or (word.word_class == "verb" and form_of(word) in ("base", "en")):
            doing = False


def form_of(word: Word) -> str:
    """Return the inflection of a verb: base, s, ing, en (past or participle)."""
    if word.lower in lx.VERB_FORMS:
        return lx.VERB_FORMS[word.lower][1]
    return {"VBG": "ing", "VBN": "en", "VBD": "en", "VBZ": "s"}.get(word.tag, "base")


def _class_of(words: Sequence[Word], i: int, doing: bool) -> str:
    """Return the class of word i."""
    word = words[i]
    after = words[i + 1] if i + 1 < len(words) else None
    before = next((w for w in reversed(words[:i]) if w.word_class != "other"), None)
    previous = before.word_class if before else ""
    later = words[i + 2] if i + 2 < len(words) else None
    closed = _closed_class(word, before, after, later)
    if closed:
        return closed
    if _is_verb(words, i, previous, after, doing):
        return "verb"
    if word.lower in _DESCRIBING or word.tag in ("VBN", "VBG"):
        return "adj"
    if not any(c.isalnum() for c in word.text):
        return "join" if word.text in "-/" else "other"
    hyphened = after is not None and after.text == "-"  # "long-sleeved"
    if word.tag.startswith("RB") and previous != "det" and not hyphened:
        return "adv"
    # The tagger's closed classes are ignored, because those words are listed.
    return "adj" if word.tag[:2] in ("JJ", "CD") else "noun"


def _closed_class(word: Word, before: Word | None, after: Word | None, later: Word | None) -> str:
    """Return the class of a function word, "" for other words."""
    previous = before.word_class if before else ""
    lower = word.lower
    if lower in ("'s", "'"):
        return _genitive(word, before)
    if lower == "there":
        return "there" if word.tag == "EX" or (after and after.lower in lx.BE) else "adv"
    if lower == "that":
        return "wh" if previous in ("noun", "adj") and after and not _starts_noun(after) else "det"
    if lower == "her":
        turned = after is not None and after.lower == "back" and before is not None and before.lemma == "turn"
        return "poss" if turned or (after is not None and _starts_noun(after)) else "pron"
    if lower == "an" and previous == "adj" and after and after.lower in lx.COLOURS:
        return "cc"  # "in black an gray"
    ranked = after is not None and (after.lower == "from" if previous != "det" else _starts_noun(after))
    if lower in lx.ORDINALS and ranked:
        return "adj"
    if lower in ("dressed", "clad") and _is_dressed_in(after, later):
        return "other"
    if (lower in ("left", "right") and previous == "verb") or (lower == "home" and previous not in ("det", "prep")):
        return "adv"
    if previous in ("det", "poss", "adj") and lower in ("round", "back", "inside", "outside", "past"):
        return "adj" if after and _starts_noun(after) else "noun"
    if lower == "to" and after and previous != "wh" and _is_infinitive(after, later):
        return "inf"
    if lower in _PREPOSITION_WORDS and lower not in _CLOSED:
        return "prep"
    listed = _CLOSED.get(lower, "")
    return "noun" if listed in ("modal", "do", "have") and previous in ("det", "poss") else listed


def _is_dressed_in(after: Word | None, later: Word | None) -> bool:
    """Return whether "in" or "all in" follows: "dressed in", "dressed all in"."""
    entirely = after is not None and after.lower in lx.ENTIRELY and later is not None and later.lower == "in"
    return entirely or (after is not None and after.lower == "in")


def _is_infinitive(word: Word, after: Word | None) -> bool:
    """Return whether a word after "to" is a verb: tagged as one, or followed by what only a verb takes."""
    if lx.VERB_FORMS.get(word.lower, ("", ""))[1] != "base" or word.lower in lx.OBJECTS:
        return False
    return word.tag == "VB" or (after is not None and _CLOSED.get(after.lower) in ("det", "pron", "poss"))


def _genitive(word: Word, before: Word | None) -> str:
    if before is None or before.word_class not in ("noun", "pron", "adj"):
        return "be" if word.lower == "'s" else "other"
    if word.lower == "'":
        return "gen" if before.lower.endswith("s") else "other"
    return "gen" if word.tag == "POS" else "be"


def _starts_noun(word: Word) -> bool:
    return word.tag[:2] in ("NN", "JJ", "CD") and word.lower not in _PREPOSITION_WORDS and word.lower not in _CLOSED


def _is_verb(words: Sequence[Word], i: int, previous: str, after: Word | None, doing: bool) -> bool:
    """Return whether an open-class word is a verb: tagged as one between suitable neighbours, or a known form."""
    word = words[i]
    tagged = word.tag.startswith("VB")
    if previous in ("det", "poss", "gen", "join") or word.lower in _NEVER_VERBS or word.lemma in _NEVER_VERBS:
        return False
    if word.lower in ("hand", "hands") and previous == "verb":
        return False
    if previous == "cc" and word.lower in lx.CLOTHES and i > 1 and words[i - 2].lower in lx.CLOTHES:
        return False  # "in suit and tie"
    if previous == "adj" and _in_colour(words, i, "in"):
        previous = "noun"
    if word.lower not in lx.VERB_FORMS:
        return (tagged and word.tag != "VBN") or _unknown_verb(words, i, previous, after)
    return _known_verb(words, i, previous, after, doing)


def _known_verb(words: Sequence[Word], i: int, previous: str, after: Word | None, doing: bool) -> bool:
    """Return whether a word with a known verb form is a verb here, by its form."""
    word, form = words[i], form_of(words[i])
    tagged = word.tag.startswith("VB")
    nominal_next = after is not None and _starts_noun(after)
    if form == "ing":
        return tagged or previous not in ("adj", "prep")
    if form == "en":
        return tagged and not (previous in ("adj", "prep", "cc", "") and nominal_next)
    if tagged and previous != "prep" and not (previous == "adj" and nominal_next and not doing):
        return True
    if form == "s":
        posed = previous == "verb" and i > 1 and words[i - 2].lemma in lx.BODY  # "with hands crossed points at"
        plain = previous == "adj" and not nominal_next and not _in_colour(words, i, "with")  # "with blue handles"
        return posed or plain or previous in ("noun", "pron", "wh", "adv", "cc", "be")
    if doing:
        return previous in ("noun", "pron", "adj", "adv")
    if previous in ("be", "wh", "inf", "modal", "there"):
        return True
    return previous == "noun" and (words[i - 1].tag in ("NNS", "NNPS") or _only_verb(words, i))


def _unknown_verb(words: Sequence[Word], i: int, previous: str, after: Word | None) -> bool:
    """Return whether a word in -s that is tagged as a noun is a verb that the lexicon lacks.

    It is if directly before an article or a pronoun ("the man in black handcuffs the thief"), or after a comma or
    "and" in a chain of verbs ("looks back and honks").
    """
    word = words[i]
    if not word.tag.startswith("NN") or not word.lower.endswith("s") or previous not in ("noun", "cc"):
        return False
    follows = _CLOSED.get(after.lower, "") if after is not None else "stop"
    if previous == "noun":
        return follows in ("det", "poss", "pron")
    chain = any(w.word_class == "verb" and form_of(w) == "s" for w in words[:i])
    return chain and (follows != "" or (after is not None and after.lower in _PREPOSITION_WORDS))


def _only_verb(words: Sequence[Word], i: int) -> bool:
    """Return whether no other word is a verb: "there is adult hold hand of ...", "a man and a dog walk in ..."."""
    after = words[i + 1].lower if i + 1 < len(words) else ""
    if any(w.word_class == "verb" for w in words[:i]) or any(w.tag.startswith("VB") for w in words[i + 1 :]):
        return False
    several = any(w.lower == "and" and w.word_class == "cc" for w in words[:i])
    return after in lx.DETERMINERS or after in ("hand", "hands") or (several and _starts_no_noun(after))


def _starts_no_noun(word: str) -> bool:
    return not word or word in _PREPOSITION_WORDS or _CLOSED.get(word) in ("stop", "adv", "cc")


def _in_colour(words: Sequence[Word], i: int, preposition: str) -> bool:
    """Return whether the words before i end a phrase such as "in white" or "in red and black"."""
    i -= 1
    while i > 0 and (words[i].word_class in ("adj", "join") or words[i].lower in ("and", "an")):
        i -= 1
    return words[i].lower == preposition
