"""Sentences about scenes: descriptions, captions, and statements that are true, false or undecided."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from vlhyper.world.scene import COLORS, PLACES, SHAPES, SIZES, Scene, Thing, askable_pairs, reading_order

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


_PHRASE = re.compile(
    rf"an? (?:(?P<size>{'|'.join(SIZES)}) )?(?P<color>{'|'.join(COLORS)}) (?P<shape>{'|'.join(SHAPES)})"
    rf"(?: at the (?P<place>{'|'.join(PLACES)}))?"
)


def things_named(caption: str) -> list[dict[str, str]] | None:
    """The things that a caption names, each with the attributes it states.

    None for a sentence not built like those of `captions`, or whose stated number differs from the things it names.
    """
    text = " ".join(caption.lower().replace(",", " , ").split()).rstrip(" .").removeprefix("a picture of ")
    number, stated, listed = text.partition(" , ") if text.startswith(NUMBERS) else ("", "", text)
    phrases = re.split(r" , | and ", listed)
    if stated and number != f"{NUMBERS[len(phrases) % len(NUMBERS)]} {'object' if len(phrases) == 1 else 'objects'}":
        return None
    found = [_PHRASE.fullmatch(phrase) for phrase in phrases]
    return [{k: v for k, v in match.groupdict().items() if v} for match in found if match] if all(found) else None


def caption_is_right(caption: str, references: Sequence[str]) -> bool:
    """Whether a caption names every thing of a picture and nothing else, and all it states about them is true.

    references: the captions of the picture, of which the most detailed one is the truth. The order is free.
    """
    said = things_named(caption)
    truth = max((things_named(reference) or [] for reference in references), key=lambda things: sum(map(len, things)))
    if said is None or len(said) != len(truth):
        return False
    by_pair = {(thing["color"], thing["shape"]): thing for thing in truth}
    matched = [by_pair.pop((thing["color"], thing["shape"]), {}) for thing in said]
    return all(thing.items() <= true.items() for thing, true in zip(said, matched, strict=True))


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
