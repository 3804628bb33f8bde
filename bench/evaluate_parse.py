"""Evaluation of the sentence parser on a VidSTG annotation file.

    python bench/evaluate_parse.py --annotations val_annotations.json [--failures 20] [--json FILE]

The ground truth (key) of a sentence is its record's `used_relation`, the categories of subject and object, and
`target_id`. Results are reported for two halves of the *videos*, split by a hash of their ids: `development`, on
which the rules were written, and `held-back`. All values are percentages of sentences.

- predicate: a parsed relation has the annotated predicate (SYNONYMS) or its inverse (INVERSES).
- directed: such a relation also has the correct subject and object. An argument is correct if its head, or a word
  before it ("adult woman"), is a name of the annotated category (NAMES); in addition, the argument that the
  sentence asks for must be the parsed target. If both have the same category, this tests the grammatical role.
- target: for a caption, the parsed target is the annotated subject: an entity with a name of its category, the
  first such entity if the object has the same category. For a question, it is the wh-word.
- no relation: no relation was parsed.
- unmentioned: the sentence does not contain the annotated predicate or its inverse.
- wrong key: the annotation contradicts its sentence, as found by reading all failures (WRONG_KEYS).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vcma.parsing.parser import draw, parse
from vcma.records.query import Query

# Names by which annotators refer to objects of each category, in addition to the category's own words.
NAMES = {
    "adult": "man woman person people lady guy girl boy player bride groom student teacher audlt",
    "child": "kid boy girl baby children toddler person people",
    "baby": "child kid infant toddler boy girl",
    "ball/sports_ball": "ball basketball football",
    "screen/monitor": "screen monitor tv television",
    "cattle/cow": "cattle cow bull",
    "watercraft": "boat ship canoe kayak",
    "aircraft": "plane airplane helicopter",
    "fruits": "fruit apple banana",
    "vegetables": "vegetable",
    "cellphone": "phone",
    "baby_seat": "seat",
    "baby_walker": "walker",
    "electric_fan": "fan",
    "motorcycle": "motorbike",
    "bicycle": "bike",
    "handbag": "bag",
    "backpack": "bag",
    "camera": "video",
    "dish": "plate",
    "sofa": "couch",
    "laptop": "computer",
    "refrigerator": "fridge",
}
# Synonyms of predicates. The parser already normalises spelling, e.g. "next_to" and "beside" to "next to".
SYNONYMS = {
    "away": "away from",
    "play(instrument)": "play",
    "speak_to": "speak to|talk to",
    "watch": "watch|watch at|look at",
    "lean_on": "lean on|lean against",
    "get_on": "get on|get onto",
    "point_to": "point to|point at",
    "shout_at": "shout at|shout to",
    "wave_hand_to": "wave hand to|wave to",
    "caress": "caress|stroke",
}
INVERSES = {
    "above": "beneath",
    "beneath": "above",
    "in_front_of": "behind",
    "behind": "in_front_of",
    "inside": "outside",
    "next_to": "next_to",
    "towards": "towards",
    "away": "away",
    "hug": "hug",
    "kiss": "kiss",
    "hold_hand_of": "hold_hand_of",
    "shake_hand_with": "shake_hand_with",
}


# Sentences of the official validation file that contradict their annotation, with the annotated predicate and
# target: "who is behind the adult?" cannot ask for the object that the adult is behind.
WRONG_KEYS = {
    ("there is a little child in front of the table.", "in_front_of", "subject"),
    ("who are the adults in red clothes watching at?", "watch", "subject"),
    ("what is point to by the adult man in black?", "point_to", "subject"),
    ("who is watch by the surfing adult man?", "watch", "subject"),
    ("who is the baby watching at?", "watch", "subject"),
    ("who is the adult in purple clothes speaking to?", "speak_to", "subject"),
    ("who is the child wearing black sunglasses speaking to?", "speak_to", "subject"),
    ("who are the adults in long-sleeved clothes speaking to?", "speak_to", "subject"),
    ("what is the child towards to the yellow dress?", "towards", "subject"),
    ("who is behind the adult in pink?", "behind", "object"),
    ("who is behind the adult in white clothes?", "behind", "object"),
    ("who is behind the child riding the bicycle?", "behind", "object"),
    ("who is behind an adult standing in the middle?", "behind", "object"),
    ("who is behind the adult?", "behind", "object"),
}


@dataclass(frozen=True)
class Case:
    """A sentence and its annotation. object: None for an intransitive action; asked: "subject" or "object"."""

    text: str
    video: str
    query_type: str
    predicate: str
    subject: str
    object: str | None
    asked: str


@dataclass(frozen=True)
class Score:
    """Result for one sentence; fields as in the module docstring (related: any relation was parsed)."""

    predicate: bool
    directed: bool
    target: bool
    related: bool
    mentioned: bool
    wrong_key: bool


Scored = tuple[Case, Query, Score]


def cases(path: Path) -> Iterator[Case]:
    """Yield every caption and question of an annotation file."""
    for record in json.loads(path.read_text("utf-8")):
        category = {o["tid"]: o["category"] for o in record["subject/objects"]}
        relation = record["used_relation"]
        for query_type in ("captions", "questions"):
            for sentence in record[query_type]:
                asked = "subject" if sentence["target_id"] == relation["subject_tid"] else "object"
                yield Case(
                    sentence["description"],
                    record["vid"],
                    query_type,
                    relation["predicate"],
                    category[relation["subject_tid"]],
                    category.get(relation["object_tid"]),
                    asked,
                )


def held_back(video: str) -> bool:
    """Return whether a video is in the held-back half: a random half, but the same on every machine."""
    return hashlib.sha256(video.encode()).digest()[0] % 2 == 1


def spellings(predicate: str) -> set[str]:
    return set(SYNONYMS.get(predicate, predicate.replace("_", " ")).split("|"))


def states(found: str, predicate: str) -> bool:
    """Return whether a parsed predicate is the annotated one, possibly preceded by a verb ("walk towards")."""
    return any(found == s or found.endswith(" " + s) for s in spellings(predicate))


def names(category: str) -> set[str]:
    return set(NAMES.get(category, "").split()) | {
        category,
        *category.replace("_", " ").split("/"),
        category.split("_")[-1],
    }


def is_named(query: Query, index: int | None, category: str | None) -> bool:
    """Return whether an entity's head, or a word before it ("adult woman"), is a name of the category."""
    if index is None or category is None:
        return index is category
    entity = query.entities[index]
    if "wh" in entity.flags:
        return True
    words = {entity.head, *(w for a in entity.attributes for w in a.split() if " " not in a)}
    return bool(words & names(category))


def directed(case: Case, query: Query) -> bool:
    """Return whether a relation matches the annotation, with correct arguments and the asked one as the target."""
    for r in query.relations:
        ends = {"subject": r.subject, "object": r.object}
        swapped = {"subject": r.object, "object": r.subject}
        for stated, role in ((case.predicate, ends), (INVERSES.get(case.predicate, ""), swapped)):
            if not stated or not states(r.predicate, stated):
                continue
            right = is_named(query, role["subject"], case.subject) and is_named(query, role["object"], case.object)
            if right and role[case.asked] == query.target:
                return True
    return False


def target_right(case: Case, query: Query) -> bool:
    """Return whether the parsed target is the wh-word of a question, or the annotated subject of a caption."""
    if case.query_type == "questions":
        return "wh" in query.entities[query.target].flags
    named = [i for i in range(len(query.entities)) if is_named(query, i, case.subject)]
    if case.subject == case.object:
        named = sorted(named, key=lambda i: query.entities[i].span)[:1]
    return query.target in named


def mentioned(case: Case) -> bool:
    """Return whether the main word of the predicate, or of its inverse, occurs in the sentence in any form."""
    predicates = {case.predicate, INVERSES.get(case.predicate, case.predicate)}
    chief = {s.split()[-1 if s.startswith("in ") else 0] for p in predicates for s in spellings(p)}
    chief = {"front" if s == "of" else s for s in chief} | ({"beside"} if "next" in chief else set())
    words = case.text.lower().replace("_", " ").split()
    return any(word.startswith(s.rstrip("ey")) for s in chief for word in words)


def is_wrong(case: Case) -> bool:
    """Return whether the annotation is known to contradict its sentence."""
    return (case.text.strip(), case.predicate, case.asked) in WRONG_KEYS


def score(case: Case, query: Query) -> Score:
    inverse = INVERSES.get(case.predicate)
    found = any(
        states(r.predicate, case.predicate) or (inverse is not None and states(r.predicate, inverse))
        for r in query.relations
    )
    return Score(
        found,
        directed(case, query),
        target_right(case, query),
        bool(query.relations),
        mentioned(case),
        is_wrong(case),
    )


def summary(scores: list[Score]) -> dict[str, float]:
    """Percentages over a list of scores."""
    n = max(len(scores), 1)

    def share(field: str, value: bool = True) -> float:
        return round(100 * sum(getattr(s, field) is value for s in scores) / n, 2)

    return {
        "n": len(scores),
        "predicate": share("predicate"),
        "directed": share("directed"),
        "target": share("target"),
        "no relation": share("related", False),
        "unmentioned": share("mentioned", False),
        "wrong key": share("wrong_key"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate the sentence parser on a VidSTG annotation file.")
    parser.add_argument("--annotations", type=Path, required=True, help="VidSTG annotation file")
    parser.add_argument(
        "--failures", type=int, default=0, help="number of failures of the development half to print"
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    everything = list(cases(options.annotations))
    queries = list(parse(case.text for case in everything))
    scored = [(case, query, score(case, query)) for case, query in zip(everything, queries, strict=True)]
    table = tabulate(scored)
    for name, row in table.items():
        print(f"{name:46s}" + "  ".join(f"{k} {v}" for k, v in row.items()))
    print_failures(scored, options.failures)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


def tabulate(scored: list[Scored]) -> dict[str, dict[str, float]]:
    """Percentages by half and query type, and for sentences whose subject and object have the same category."""
    halves: defaultdict[str, list[Score]] = defaultdict(list)
    for case, _, result in scored:
        for half in ("held-back" if held_back(case.video) else "development", "all"):
            halves[f"{half}: {case.query_type}"].append(result)
            if case.subject == case.object:
                halves[f"{half}, one category: {case.query_type}"].append(result)
    return {name: summary(scores) for name, scores in sorted(halves.items())}


def print_failures(scored: list[Scored], limit: int) -> None:
    """Print distinct failures of the development half."""
    wrong = {
        case.text: (case, query, result)
        for case, query, result in scored
        if not held_back(case.video) and not (result.directed and result.target)
    }
    for case, query, result in list(wrong.values())[:limit]:
        failed = [f for f in ("predicate", "directed", "target") if not getattr(result, f)]
        print(f"{case.text}\n    key: {case.subject} {case.predicate} {case.object}, target: {case.asked}")
        print(f"    wrong: {', '.join(failed)}\n    " + draw(query).replace("\n", "\n    "))


if __name__ == "__main__":
    main()
