"""Label prior: agreement of a phrase with a detector's labels, without training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from vcma.records.noun_phrases import head_of
from vcma.text.noun_kinds import KIND_OF, resembling
from vcma.text.static_vectors import static_vectors

# Basic colour terms (Berlin and Kay) and common synonyms; "navy" matches blue or black.
BASIC_COLOURS: dict[str, tuple[str, ...]] = {
    colour: (colour,)
    for colour in ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
} | {
    "gray": ("grey",), "silver": ("grey",), "navy": ("blue", "black"), "violet": ("purple",), "lilac": ("purple",),
    "lavender": ("purple",), "beige": ("brown", "white"), "tan": ("brown",), "khaki": ("brown", "green"),
    "golden": ("yellow",), "gold": ("yellow",), "crimson": ("red",), "scarlet": ("red",),
    "maroon": ("red", "brown"), "burgundy": ("red", "brown"), "magenta": ("pink", "purple"),
    "turquoise": ("blue", "green"), "teal": ("blue", "green"), "cyan": ("blue",), "olive": ("green",),
    "cream": ("white",), "ivory": ("white",),
}  # fmt: skip
# Colour of a shade without a colour after it; in "dark blue" the colour decides.
SHADES = {"dark": ("black",), "light": ("white",), "pale": ("white",), "bright": (), "deep": ()}
# Part of a person that a garment covers; attributes like 'upper:red' have the parts 'upper' and 'lower'.
GARMENTS = {
    **dict.fromkeys(["shirt", "tshirt", "top", "jacket", "coat", "sweater", "hoodie", "vest", "blouse"], "upper"),
    **dict.fromkeys(["jersey", "pullover", "upper"], "upper"),
    **dict.fromkeys(["pants", "trousers", "jeans", "shorts", "skirt", "legging", "leggings", "lower"], "lower"),
    **dict.fromkeys(["hat", "cap", "helmet", "beanie", "bonnet", "headgear"], "hat"),
}
# Classes of detectors (COCO, Visual Genome, VidOR) that a head noun may denote: any of these, by name.
PEOPLE = ("adult", "child", "baby", "person", "man", "woman", "boy", "girl", "people", "lady", "guy", "kid")
HYPERNYMS = {
    "who": PEOPLE,
    "someone": PEOPLE,
    "person": PEOPLE,
    "people": PEOPLE,
    "human": PEOPLE,
    "adult": ("adult", "person", "man", "woman", "people", "lady", "guy"),
    "man": ("man", "adult", "person", "guy", "people"),
    "woman": ("woman", "adult", "person", "lady", "people"),
    "grown-up": ("adult", "person", "man", "woman"),
    "child": ("child", "person", "boy", "girl", "kid"),
    "kid": ("child", "person", "boy", "girl", "kid"),
    "boy": ("boy", "child", "person", "kid"),
    "girl": ("girl", "child", "person", "kid"),
    "baby": ("baby", "child", "person"),
    "infant": ("baby", "child", "person"),
    "toddler": ("baby", "child", "person"),
    "vehicle": ("car", "truck", "bus", "van"),
    "bag": ("bag", "handbag", "backpack", "suitcase"),
    "animal": ("dog", "cat", "horse", "bird", "cow", "sheep", "elephant", "bear", "zebra", "giraffe", "rabbit"),
}  # fmt: skip
# Synonyms, of which a detector may use any.
SYNONYMS = {
    name: group
    for group in (
        ("bicycle", "bike"), ("motorbike", "motorcycle"), ("airplane", "aeroplane", "plane"), ("couch", "sofa"),
        ("tv", "television", "tvmonitor"), ("plant", "potted plant", "pottedplant"),
        ("table", "dining table", "diningtable"), ("phone", "cell phone", "cellphone", "telephone"),
        ("hair drier", "hair dryer"), ("doughnut", "donut"), ("lorry", "truck"), ("ship", "boat"),
    )
    for name in group
}  # fmt: skip
# Nouns for people by what they do; nouns in -man or -ist also denote people.
ROLES = frozenset([
    "actor", "actress", "athlete", "baker", "batter", "biker", "boxer", "bride", "bridegroom", "chef",
    "climber", "coach", "cook", "cop", "cowboy", "cyclist", "dancer", "doctor", "driver", "farmer", "father",
    "fellow", "fighter", "firefighter", "friend", "gentleman", "goalkeeper", "golfer", "groom", "gymnast",
    "hiker", "jogger", "lady", "lifter", "magician", "mother", "musician", "nurse", "officer", "opponent",
    "painter", "partner", "passenger", "pedestrian", "performer", "photographer", "pilot", "pitcher",
    "player", "policeman", "presenter", "prisoner", "racer", "referee", "rider", "rower", "runner", "sailor",
    "singer", "skateboarder", "skater", "skier", "snowboarder", "soldier", "stranger", "student", "surfer",
    "swimmer", "teacher", "teenager", "tourist", "trainer", "umpire", "visitor", "waiter", "waitress",
    "walker", "worker", "wrestler", "youngster",
])  # fmt: skip

# Function words of an attribute, which are not traits themselves.
_IDLE = frozenset(
    (
        "in",
        "with",
        "wearing",
        "wears",
        "wear",
        "dressed",
        "and",
        "a",
        "an",
        "the",
        "who",
        "clothes",
        "clothing",
        "of",
        "on",
        "is",
    )
)

RESEMBLANCE = 0.5  # weight of a class that resembles what a noun denotes
_CERTAIN = 0.5  # cosine of static vectors from which a class resembles a noun fully; lower ones in proportion
_ANY_THING = 0.1  # weight of every class that is not a person for a noun that nothing is known about


def class_weights(
    phrases: Sequence[tuple[str, ...]],
    class_names: Sequence[str],
    prompts: Sequence[str] = (),
    wholes: Sequence[str] = (),
) -> np.ndarray:
    """Return how well each detector class matches each phrase: float32 [len(phrases), C] in [0, 1].

    A phrase is its words, the head last. A class matches by the name or a known hypernym or synonym of the head,
    else of another word ('toy bear'). Else the classes that resemble the head match with 0.5: known ones, or in
    proportion to the cosine of static vectors, with all classes but people as a fallback. prompts: noun phrases
    that a detector was prompted with; they come last among the C classes and also match by their heads.
    wholes: the `noun_phrase` of each phrase; a prompt with exactly these words matches better than any other class.
    """
    names = [_parts(name) for name in class_names]
    names += [{prompt.lower(), head_of(prompt.lower())} for prompt in prompts]
    weights = np.zeros((len(phrases), len(names)), np.float32)
    unknown = []
    for row, words in enumerate(phrases):
        for word in reversed(words):
            matching = _matching_names(word)
            weights[row] = [bool(matching & parts) for parts in names]
            if word == "what":
                weights[row] = [not parts & set(PEOPLE) for parts in names]
            if weights[row].any():
                break
        else:
            unknown.append(row)
    if unknown and names:
        weights[unknown] = _resemblance([phrases[row][-1] for row in unknown], names)
    for row, whole in enumerate(wholes):
        if whole in prompts and whole != head_of(whole):
            _prefer(weights[row, len(class_names) :], prompts, whole)
            weights[row, : len(class_names)] *= _BY_HEAD
    return weights


def _resemblance(heads: Sequence[str], names: Sequence[set[str]]) -> np.ndarray:
    """Return how much each class resembles what a head noun denotes: float32 [len(heads), C], at most 0.5."""
    cosine = static_vectors(heads) @ static_vectors([" ".join(sorted(parts)) for parts in names]).T
    found = RESEMBLANCE * np.clip(cosine, 0, None) / np.maximum(cosine.max(axis=1, keepdims=True), _CERTAIN)
    things = [not parts & set(PEOPLE) for parts in names]
    found = np.maximum(found, np.where(things, _ANY_THING, 0))
    for row, head in enumerate(heads):
        known = [bool(_with_synonyms(resembling(head)) & parts) for parts in names]
        if any(known):
            found[row] = np.where(known, RESEMBLANCE, 0)
    return found.astype(np.float32)


_BY_HEAD = 0.5  # weight of class "man" for "man in red coat" if that is a class, too


def _prefer(weights: np.ndarray, prompts: Sequence[str], whole: str) -> None:
    """Give a phrase's own prompt weight 1, and prompts with other attributes 0: they describe other objects."""
    others = np.array([prompt != head_of(prompt) for prompt in prompts])
    weights[others] = 0
    weights *= _BY_HEAD
    weights[list(prompts).index(whole)] = 1


def _matching_names(word: str) -> set[str]:
    """Return the class names that a word may denote: itself, its synonyms, its hypernyms, or people."""
    joined = word.replace("-", "")
    kinds = HYPERNYMS.get(word, ())
    if not kinds and (word in ROLES or word.endswith(("man", "men", "woman", "women", "ist"))):
        kinds = PEOPLE
    return _with_synonyms({word, joined, *KIND_OF.get(word, ())}) | set(kinds)


def _with_synonyms(words: Iterable[str]) -> set[str]:
    return {name for word in words for name in (word, *SYNONYMS.get(word, ()))}


def _parts(name: str) -> set[str]:
    """Split a class name into its alternatives: 'ball/sports_ball' -> {ball, sports ball}."""
    return {part.replace("_", " ").strip().lower() for part in name.split("/")}


def attribute_weights(phrases: Sequence[Iterable[str]], attribute_names: Sequence[str]) -> list[np.ndarray]:
    """Return one row per demand in a phrase's attributes that the detector can judge: float32 [k, A] of 0 and 1.

    'red' is met by red anywhere, 'in a blue hat' by a blue hat; 'green shirt and red skirt' are two demands; 'man'
    is met by an attribute of that name. A demand that no attribute name can meet has no row.
    """
    names = [_traits(name) for name in attribute_names]
    found = []
    for phrase in phrases:
        rows = [row for text in phrase for demand in _demands(text) if any(row := _met(demand, names))]
        found.append(np.array(rows, np.float32).reshape(len(rows), len(names)))
    return found


class Demand(NamedTuple):
    """A colour (any of several), a part of the object, or another word; each may be empty."""

    colours: tuple[str, ...]
    part: str
    word: str


def _traits(name: str) -> Demand:
    """Parse an attribute name: 'upper:red', 'red top' -> (red), upper; 'hat' -> part and word; 'wooden' -> word."""
    return next(iter(_demands(name.replace(":", " "))), Demand((), "", name.lower()))


def _demands(text: str) -> list[Demand]:
    """Split a text into demands: a colour with its garment, a garment alone, or any other word."""
    demands: list[Demand] = []
    colours: list[tuple[str, ...]] = []
    part = ""
    words = text.lower().replace("-", "").replace(",", " ").split()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in BASIC_COLOURS:
            colours.append(BASIC_COLOURS[word])
        elif word in SHADES:
            colours += [SHADES[word]] if SHADES[word] and following not in BASIC_COLOURS else []
        elif word in GARMENTS:
            part = GARMENTS[word]
            demands += [Demand(colour, part, "") for colour in colours] or [Demand((), part, word)]
            colours = []
        elif word not in _IDLE and word != "all":
            demands.append(Demand((), "", word))
    # 'upper:red' has the part before the colour; "all in black" means both parts.
    trailing = part if demands and not demands[-1].colours and part in ("upper", "lower") else ""
    if colours and trailing:
        demands.pop()
    parts = ("upper", "lower") if words[:1] == ["all"] else (trailing,)
    return demands + [Demand(colour, place, "") for colour in colours for place in parts]


def _met(demand: Demand, names: list[Demand]) -> list[bool]:
    colours, part, word = demand
    if not colours:
        return [not name.colours and name.word == word for name in names]
    meant = [bool(name.colours) and name.colours[0] in colours for name in names]
    exact = [right and name.part == part for right, name in zip(meant, names, strict=True)]
    if part and any(exact):
        return exact
    # Without a part, or with one that the detector does not distinguish: the colour anywhere but on the head.
    return [right and name.part != "hat" for right, name in zip(meant, names, strict=True)]


def class_agreement(class_weight: np.ndarray, class_prob: np.ndarray) -> np.ndarray:
    """Return the log-agreement of a phrase's head with class distributions [N, C]: float [N], at most log 1.03."""
    return log_agreement(np.clip(class_prob @ class_weight, 0, 1))


def log_agreement(share: np.ndarray) -> np.ndarray:
    """Return the log-agreement of a share of the class distribution; the floor limits the cost of a wrong label."""
    return np.log(0.03 + share)


def label_prior(
    class_weight: np.ndarray, attribute_weight: np.ndarray, class_prob: np.ndarray, attribute_prob: np.ndarray
) -> np.ndarray:
    """Return label(e, n), the log-agreement of a phrase with the labels of N tubes, float32 [N]; needs no training.

    class_weight [C] and attribute_weight [k, A] belong to the phrase, class_prob [N, C] and attribute_prob [N, A]
    to the tubes. The floors keep a wrong label from ruling out a tube.
    """
    agreement = class_agreement(class_weight, class_prob)
    if len(attribute_weight) and attribute_prob.shape[1]:
        strength = (attribute_prob[:, None, :] * attribute_weight[None]).max(axis=2)
        agreement = agreement + np.log(0.05 + np.clip(strength, 0, 1)).sum(axis=1)
    return agreement.astype(np.float32)
