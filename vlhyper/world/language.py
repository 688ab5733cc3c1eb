"""Sentences about scenes: descriptions, captions, and statements that are true, false or undecided."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from vlhyper.world.scene import PLACES, SIZES, Scene, Thing, askable_pairs, reading_order

NUMBERS = ("zero", "one", "two", "three", "four")


def phrase(thing: Thing, size: bool = True, place: bool = True) -> str:
    """`a small red circle at the top left`, with or without size and place."""
    start = with_article(f"{thing.size} {thing.name}" if size else thing.name)
    return start + (f" at the {thing.place}" if place else "")


def with_article(noun: str) -> str:
    """`a circle`, `an orange circle`."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def joined(phrases: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(phrases[:-1]), phrases[-1])))


def describe(scene: Sequence[Thing], rng: Random, size: float = 1.0, place: float = 1.0) -> str:
    """Describe the scene, one sentence per thing in random order; size and place have the given probabilities."""
    things = rng.sample(scene, len(scene))
    return " ".join(f"{phrase(thing, rng.random() < size, rng.random() < place)}." for thing in things)


def captions(scene: Scene) -> list[str]:
    """Five captions of one picture: all name colours and shapes, some also sizes or places."""
    things = reading_order(scene)
    bare = joined([phrase(thing, size=False, place=False) for thing in things])
    sized = joined([phrase(thing, place=False) for thing in things])
    placed = joined([phrase(thing, size=False) for thing in things])
    noun = "object" if len(things) == 1 else "objects"
    wordings = (
        bare,
        f"a picture of {sized}",
        placed,
        f"{NUMBERS[len(things)]} {noun}, {bare}",
        joined([phrase(thing) for thing in things]),
    )
    return [f"{wording[0].upper()}{wording[1:]}." for wording in wordings]


# Statements that a picture of this world neither supports nor contradicts.
OPEN_ENDINGS = (
    "was drawn first",
    "is the favorite of a child",
    "is made of paper",
    "was painted yesterday",
    "is heavy",
)


def hypothesis(scene: Scene, label: str, rng: Random) -> str:
    """A sentence that the picture entails, contradicts or leaves undecided (`neutral`), as in visual entailment."""
    thing = rng.choice(scene)
    if label == "neutral":
        return f"The {thing.name} {rng.choice(OPEN_ENDINGS)}."
    if label == "entailment":
        return rng.choice(_statements(thing.name, thing.size, thing.place))
    return _false_statement(scene, thing, rng)


def _statements(name: str, size: str, place: str) -> tuple[str, str, str]:
    return f"There is {with_article(name)}.", f"The {name} is {size}.", f"The {name} is at the {place}."


def _false_statement(scene: Scene, thing: Thing, rng: Random) -> str:
    present = {other.pair for other in scene}
    absent = [" ".join(pair) for pair in askable_pairs(scene) if pair not in present]
    size = next(size for size in SIZES if size != thing.size)
    place = rng.choice([place for place in PLACES if place != thing.place])
    invented, *_ = _statements(rng.choice(absent), size, place)
    return rng.choice([invented, *_statements(thing.name, size, place)[1:]])
