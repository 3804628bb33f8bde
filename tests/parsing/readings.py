"""Sentences with what is to be read from them, and the words for a query's relations."""

from __future__ import annotations

from vcma.parsing.parser import parse
from vcma.records.query import Query

# Text, head of the target, relations.
Reading = tuple[str, str, list[tuple[str, ...]]]

QUESTIONS: list[Reading] = [
    ("what does the adult in white pull outdoors?", "what", [("adult", "pull", "what")]),
    ("who is behind the chair?", "who", [("who", "behind", "chair")]),
    ("what is the adult in black behind in the room?", "what", [("adult", "behind", "what")]),
    ("what does the child lean on on the stage?", "what", [("child", "lean on", "what")]),
    ("who does the adult hold hand of at home?", "who", [("adult", "hold hand of", "who")]),
    ("who is the child holding the label behind?", "who", [("child", "hold", "label"), ("child", "behind", "who")]),
    ("to whom does the man give the ball?", "who", [("man", "give", "ball"), ("man", "give to", "who")]),
    ("behind what is the cat?", "what", [("cat", "behind", "what")]),
    ("which dog chases the ball?", "dog", [("dog", "chase", "ball")]),
    ("what is falling?", "what", [("what", "fall")]),
    ("where is the dog?", "dog", []),
    ("what in front of another car?", "what", [("what", "in front of", "car")]),
    ("who is speak to by the adult?", "who", [("adult", "speak to", "who")]),
    ("what is next to by the table?", "what", [("table", "next to", "what")]),
    ("who is the child in red away in yard?", "who", [("child", "away from", "who")]),
    ("what does the child who wears a red hat hold?", "what", [("child", "hold", "what")]),
    ("who puts a hand on the table?", "who", [("who", "put hand on", "table")]),
]

STATEMENTS: list[Reading] = [
    # VidSTG's rough English.
    ("there is a dog away an adult", "dog", [("dog", "away from", "adult")]),
    ("a baby is insdie the car besidethe sofa.", "baby", [("baby", "inside", "car"), ("car", "next to", "sofa")]),
    ("a child in white pats a toy red and yellow.", "child", [("child", "pat", "toy")]),
    # What other parsers miss.
    ("The boy jumps.", "boy", [("boy", "jump")]),
    ("the adult who wears a blue hat is waving.", "adult", [("adult", "wave")]),
    ("there is a red ball falling.", "ball", [("ball", "fall")]),
    ("the child spins around.", "child", [("child", "spin around")]),
    ("a dog runs after the cat.", "dog", [("dog", "run after", "cat")]),
    ("an adult wearing a blue hat is behind a child", "adult", [("adult", "behind", "child")]),
    ("he turns around and walks to the woman", "he", [("he", "turn around"), ("he", "walk to", "woman")]),
    ("The toy is carried by the child in red.", "toy", [("child", "carry", "toy")]),
    ("the man takes the cup handed by the boy.", "man", [("man", "take", "cup"), ("boy", "hand", "cup")]),
    ("the white toy is pushed.", "toy", [("toy", "be pushed")]),
    ("the ball that the man throws hits it.", "ball", [("man", "throw", "ball"), ("ball", "hit", "it")]),
    ("a man stands in front of a car", "man", [("man", "stand"), ("man", "in front of", "car")]),
    ("two dogs chase each other.", "dog", [("dog", "chase")]),
    ("A man and a dog walk in the park.", "man", [("man", "walk"), ("dog", "walk")]),
    ("the man gives the woman a cup", "man", [("man", "give", "cup"), ("man", "give to", "woman")]),
    ("the child is waving a hand", "child", [("child", "wave hand")]),
    ("A girl squats down to pick up the ball.", "girl", [("girl", "squat down"), ("girl", "pick up", "ball")]),
    # Where it happens is said only if nothing else is.
    ("a child kicks a ball in the room", "child", [("child", "kick", "ball")]),
    ("a child is in the room", "child", [("child", "in", "room")]),
]


def read(text: str) -> Query:
    return next(parse([text]))


def unique_name(query: Query, index: int) -> str:
    """Head of an entity, numbered from its second namesake on: man, man 2."""
    heads = [e.head for e in query.entities[: index + 1]]
    count = heads.count(heads[-1])
    return heads[-1] + (f" {count}" if count > 1 else "")


def named_relations(query: Query) -> list[tuple[str, ...]]:
    """The relations by name: (subject, predicate) or (subject, predicate, object)."""
    return [
        (
            unique_name(query, r.subject),
            r.predicate,
            *([unique_name(query, r.object)] if r.object is not None else []),
        )
        for r in query.relations
    ]
