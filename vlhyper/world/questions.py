"""Questions about scenes like those of VQA, Visual Genome and OK-VQA, with their right answers.

A kind of question is a function that yields every possible question of this kind about a scene. `Balance` chooses
which of them are asked, so that no answer is frequent enough to be guessed from the wording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple, Protocol, TypeVar

from vlhyper.world.language import with_article
from vlhyper.world.scene import COLORS, SHAPES, SIZES, Scene, Thing, askable_pairs


class Question(NamedTuple):
    text: str
    answer: str
    kind: str

    @property
    def answer_type(self) -> str:
        """VQA's `yes/no`, `number` or `other`."""
        if self.answer in ("yes", "no"):
            return "yes/no"
        return "number" if self.answer.isdigit() else "other"

    @property
    def question_type(self) -> str:
        """The first words of the question, VQA's `question_type`."""
        words = self.text.lower().rstrip("?").split()
        return " ".join(words[: 3 if words[0] == "what" and words[1] in ("color", "shape", "size") else 2])


class Answerable(Protocol):
    """Anything with the text of a question and its answer."""

    @property
    def text(self) -> str: ...

    @property
    def answer(self) -> str: ...


Asked = TypeVar("Asked", bound=Answerable)


class Balance:
    """Chooses the possible question whose answer was so far least frequent for its wording."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.given: Counter[tuple[str, str]] = Counter()

    def choose(self, possible: Sequence[Asked]) -> Asked:
        chosen = min(possible, key=lambda one: (self.given[one.text, one.answer], self.rng.random()))
        self.given[chosen.text, chosen.answer] += 1
        return chosen


def only(scene: Scene, attribute: str) -> list[Thing]:
    """The things whose value of this attribute no other thing of the scene has."""
    counts = Counter(getattr(thing, attribute) for thing in scene)
    return [thing for thing in scene if counts[getattr(thing, attribute)] == 1]


def color(scene: Scene) -> Iterator[Question]:
    for thing in only(scene, "shape"):
        yield Question(f"What color is the {thing.shape}?", thing.color, "color")
    for thing in scene:
        yield Question(f"What color is the object at the {thing.place}?", thing.color, "color")


def shape(scene: Scene) -> Iterator[Question]:
    for thing in only(scene, "color"):
        yield Question(f"What shape is the {thing.color} object?", thing.shape, "shape")
    for thing in scene:
        yield Question(f"What shape is the object at the {thing.place}?", thing.shape, "shape")


def size(scene: Scene) -> Iterator[Question]:
    for thing in scene:
        yield Question(f"What size is the {thing.name}?", thing.size, "size")
        for named in SIZES:
            yield Question(f"Is the {thing.name} {named}?", "yes" if thing.size == named else "no", "size")


def place(scene: Scene) -> Iterator[Question]:
    for thing in only(scene, "shape"):
        yield Question(f"Where is the {thing.shape}?", thing.place, "place")
    for thing in only(scene, "color"):
        yield Question(f"Where is the {thing.color} object?", thing.place, "place")


def count(scene: Scene) -> Iterator[Question]:
    yield Question("How many objects are there?", str(len(scene)), "count")
    for named in COLORS:
        number = sum(thing.color == named for thing in scene)
        yield Question(f"How many {named} objects are there?", str(number), "count")
    for named in SHAPES:
        number = sum(thing.shape == named for thing in scene)
        yield Question(f"How many {named}s are there?", str(number), "count")
    for named in SIZES:
        number = sum(thing.size == named for thing in scene)
        yield Question(f"How many {named} objects are there?", str(number), "count")


def existence(scene: Scene) -> Iterator[Question]:
    present = {thing.pair for thing in scene}
    for pair in askable_pairs(scene):
        named = with_article(" ".join(pair))
        yield Question(f"Is there {named}?", "yes" if pair in present else "no", "existence")


def relation(scene: Scene) -> Iterator[Question]:
    """Left or right, above or below, of things in different columns or rows."""
    for one in scene:
        for other in scene:
            for axis, before, after in (("column", "left of", "right of"), ("row", "above", "below")):
                here, there = getattr(one, axis), getattr(other, axis)
                if here != there:
                    for word, true in ((before, here < there), (after, here > there)):
                        yield Question(
                            f"Is the {one.name} {word} the {other.name}?", "yes" if true else "no", "relation"
                        )


def identity(scene: Scene) -> Iterator[Question]:
    for thing in scene:
        yield Question(f"What is at the {thing.place}?", with_article(thing.name), "identity")


# General knowledge about colours and shapes that no picture of this world shows.
FRUITS = ("strawberry", "kiwi", "blueberry", "banana", "plum", "tangerine")
ANIMALS = ("ladybug", "frog", "whale", "chick", "starling", "fox")
THINGS = ("wheel", "window", "pyramid", "starfish")
KNOWLEDGE = {
    "fruit": ("color", dict(zip(COLORS, FRUITS, strict=True))),
    "animal": ("color", dict(zip(COLORS, ANIMALS, strict=True))),
    "thing": ("shape", dict(zip(SHAPES, THINGS, strict=True))),
}


def knowledge(scene: Scene) -> Iterator[Question]:
    """Questions like those of OK-VQA: the answer needs knowledge beyond the picture."""
    for category, (attribute, facts) in KNOWLEDGE.items():
        pointer = "shape" if attribute == "color" else "color"
        for thing in only(scene, pointer):
            named = thing.shape if pointer == "shape" else f"{thing.color} object"
            fact = facts[getattr(thing, attribute)]
            yield Question(f"Which {category} has the {attribute} of the {named}?", fact, category)


Kind = Callable[[Scene], Iterator[Question]]

VQA_KINDS: dict[str, tuple[Kind, ...]] = {
    "easy": (color, shape, place, count, existence, size),
    "hard": (color, shape, place, count, existence, size, relation),
}
VG_KINDS: tuple[Kind, ...] = (color, shape, place, identity)


def ask(scene: Scene, kind: Kind, balance: Balance) -> Question | None:
    """A question of this kind, or None where the scene has no such question."""
    possible = list(kind(scene))
    return balance.choose(possible) if possible else None
