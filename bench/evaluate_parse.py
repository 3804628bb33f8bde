"""How well sentences are read, measured against a VidSTG annotation file.

    python bench/evaluate_parse.py --json val_annotations.json [--failures 20] [--out scores.json]

The key of a sentence is its record's `used_relation`, the categories of its two ends and `target_id`. Reported for
two halves of the *videos*, split by a hash of their id: `development`, which the rules were written on, and `held-back`.

- predicate: some relation of the parse states the annotated predicate (SYNONYMS) or its inverse (INVERSES).
- directed: such a relation also has the right ends, the right way round. An end matches if its head (or, for compounds,
  an attribute) is a name of the annotated category (NAMES). The end that is asked for must be the target of the parse:
  so that a pair of one category is scored by grammatical role, as names cannot tell.
- target: of a caption, the annotated subject: its category's name, and the first one named where both ends share the
  category; of a question, the wh-word.
- no relation: sentences read without any relation.
- unmentioned: no spelling of the annotated predicate or its inverse occurs in the sentence: no reader can find it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vcma.language import Query, parse

# What a person may call a thing of each category; the category's own words always count.
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
# Other ways to say each predicate; "next to" stands for "next_to", "beside", ... already in the parse.
SYNONYMS = {
    "above": "above|over|on",
    "beneath": "beneath",
    "away": "away from|away",
    "towards": "towards",
    "next_to": "next to|near|close to|by",
    "in_front_of": "in front of",
    "behind": "behind",
    "inside": "inside|in",
    "play(instrument)": "play",
    "speak_to": "speak to|talk to|speak with|talk with|speak|talk",
    "hold_hand_of": "hold hand of|hold hand",
    "shake_hand_with": "shake hand with|shake hand of|shake hand",
    "wave_hand_to": "wave hand to|wave to|wave hand",
    "lean_on": "lean on|lean against|lean",
    "get_on": "get on|get onto",
    "get_off": "get off",
    "point_to": "point to|point at|point",
    "shout_at": "shout at|shout to|shout",
    "watch": "watch|watch at|look at",
    "caress": "caress|stroke",
    "carry": "carry",
    "hit": "hit|beat",
    "use": "use",
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


@dataclass(frozen=True)
class Case:
    """One sentence and its key; `asked` is the end of the relation that is asked for."""

    text: str
    video: str
    query_type: str
    predicate: str
    subject: str
    object: str
    asked: str


@dataclass(frozen=True)
class Score:
    predicate: bool
    directed: bool
    target: bool
    related: bool
    mentioned: bool


def cases(path: Path) -> Iterator[Case]:
    """Every caption and question of an annotation file."""
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
                    category[relation["object_tid"]],
                    asked,
                )


def held_back(video: str) -> bool:
    """A half of the videos, at random but the same on every machine."""
    return hashlib.sha256(video.encode()).digest()[0] % 2 == 1


def spellings(predicate: str) -> set[str]:
    return set(SYNONYMS.get(predicate, predicate.replace("_", " ")).split("|"))


def states(found: str, predicate: str) -> bool:
    """Whether a parsed predicate says the annotated one: alone, or behind a verb ("walk towards", "sit on")."""
    return any(found == s or found.endswith(" " + s) for s in spellings(predicate))


def names(category: str) -> set[str]:
    return set(NAMES.get(category, "").split()) | {category, *category.replace("_", " ").split("/"), category.split("_")[-1]}


def is_named(query: Query, index: int | None, category: str) -> bool:
    """Whether an entity is called by a name of the category, by head or by a word before it ("adult woman")."""
    if index is None:
        return False
    entity = query.entities[index]
    if "wh" in entity.flags:
        return True
    words = {entity.head, *(w for a in entity.attributes for w in a.split() if " " not in a)}
    return bool(words & names(category))


def directed(case: Case, query: Query) -> bool:
    """Some relation states the key with both ends right; the asked one is the target."""
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
    """A question's target is its wh-word; a caption's the annotated subject."""
    if case.query_type == "questions":
        return "wh" in query.entities[query.target].flags
    named = [i for i in range(len(query.entities)) if is_named(query, i, case.subject)]
    if case.subject == case.object:
        named = sorted(named, key=lambda i: query.entities[i].span)[:1]
    return query.target in named


def mentioned(case: Case) -> bool:
    """Whether a spelling of the predicate, or of its inverse, occurs in the sentence."""
    text = case.text.lower().replace("_", " ")
    stems = {s for p in (case.predicate, INVERSES.get(case.predicate, case.predicate)) for s in spellings(p)}
    extra = {"next to": "beside", "towards": "toward", "beneath": "under"}
    return any(stem in text or extra.get(stem, stem) in text for s in stems for stem in [_stem(s)])


def _stem(spelling: str) -> str:
    word = spelling.split()[0] if spelling not in ("in front of", "next to", "close to", "away from") else spelling
    return word[:-1] if word.endswith(("e", "y")) and len(word) > 3 else word


def score(case: Case, query: Query) -> Score:
    inverse = INVERSES.get(case.predicate)
    found = any(
        states(r.predicate, case.predicate) or (inverse is not None and states(r.predicate, inverse))
        for r in query.relations
    )
    return Score(found, directed(case, query), target_right(case, query), bool(query.relations), mentioned(case))


def summary(scores: list[Score]) -> dict[str, float]:
    """Percentages of a list of scores."""
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
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Score the sentence parser against a VidSTG annotation file.")
    parser.add_argument("--json", type=Path, required=True, help="VidSTG annotation file")
    parser.add_argument("--failures", type=int, default=0, help="wrong sentences of the development half to print")
    parser.add_argument("--out", type=Path, help="write the scores to this JSON file as well")
    options = parser.parse_args()
    all_cases = list(cases(options.json))
    queries = parse(case.text for case in all_cases)
    halves: defaultdict[tuple[str, str], list[Score]] = defaultdict(list)
    wrong = []
    for case, query in zip(all_cases, queries, strict=True):
        result = score(case, query)
        shared = case.subject == case.object
        for half in ("held-back" if held_back(case.video) else "development", "all"):
            halves[half, case.query_type].append(result)
            if shared:
                halves[half + ", ends of one category", case.query_type].append(result)
        if not held_back(case.video) and not (result.directed and result.target):
            wrong.append((case, query, result))
    table = {f"{half}: {query_type}": summary(s) for (half, query_type), s in sorted(halves.items())}
    for name, row in table.items():
        print(f"{name:48s}" + "  ".join(f"{k} {v}" for k, v in row.items()))
    print_failures(wrong, options.failures)
    if options.out:
        options.out.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


def print_failures(wrong: list[tuple[Case, Query, Score]], limit: int) -> None:
    """The most frequent wrong sentences of the development half."""
    counts = Counter(case.text for case, _, _ in wrong)
    seen: set[str] = set()
    for case, query, result in sorted(wrong, key=lambda w: -counts[w[0].text]):
        if case.text in seen or len(seen) >= limit:
            continue
        seen.add(case.text)
        failed = [f for f in ("predicate", "directed", "target") if not getattr(result, f)]
        found = "; ".join(
            f"{query.entities[r.subject].head} {r.predicate} "
            + (query.entities[r.object].head if r.object is not None else "-")
            for r in query.relations
        )
        key = f"{case.subject} {case.predicate} {case.object}, asked {case.asked}"
        print(f"{counts[case.text]}x {case.text}\n     key: {key}\n     read: {found}\n     wrong: {', '.join(failed)}")


if __name__ == "__main__":
    main()
