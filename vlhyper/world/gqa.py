"""Questions like those of GQA: each has a small program, and some questions entail others.

A question about an attribute of a thing asks for its value (query), whether it has a given value (verify) or which of
two values it has (choose). The right answer to the query implies the right answers to the others: `entailed` in the
files says so. Questions about existence are not entailed by others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlhyper.world.language import with_article
from vlhyper.world.questions import Balance, only
from vlhyper.world.scene import COLORS, SHAPES, SIZES, Scene, Thing, askable_pairs

VALUES = {"color": COLORS, "shape": SHAPES, "size": SIZES}
Step = tuple[str, str, tuple[int, ...]]


@dataclass(frozen=True)
class GqaQuestion:
    """One question. `fact` names what it is about: questions of one fact are entailed by the fact's query.

    `program` is a chain of (operation, argument, numbers of the steps it builds on).
    """

    text: str
    answer: str
    full_answer: str
    structural: str
    semantic: str
    detailed: str
    program: tuple[Step, ...]
    group: str
    fact: str

    def operations(self) -> list[dict[str, Any]]:
        return [{"operation": o, "argument": a, "dependencies": list(d)} for o, a, d in self.program]

    def program_text(self) -> str:
        return "->".join(f"{o}: {a}" + "".join(f" [{d}]" for d in builds_on) for o, a, builds_on in self.program)


@dataclass(frozen=True)
class Fact:
    """An attribute of a thing, and a name for the thing that does not reveal the attribute."""

    thing: Thing
    attribute: str
    name: str

    @property
    def value(self) -> str:
        return getattr(self.thing, self.attribute)

    def sentence(self) -> str:
        return f"the {self.name} is {predicate(self.attribute, self.value)}."

    def question(self, text: str, answer: str, full: str, structural: str, step: Step) -> GqaQuestion:
        detailed = self.attribute + ("" if structural == "query" else structural.capitalize())
        return GqaQuestion(
            text=text,
            answer=answer,
            full_answer=full,
            structural=structural,
            semantic="attr",
            detailed=detailed,
            program=(("select", self.name, ()), step),
            group="" if structural == "verify" else self.attribute,
            fact=f"{self.name}-{self.attribute}",
        )


def facts(scene: Scene) -> Iterator[Fact]:
    """All facts about the things of a scene that a question can ask for."""
    for thing in only(scene, "shape"):
        yield Fact(thing, "color", thing.shape)
    for thing in only(scene, "color"):
        yield Fact(thing, "shape", f"{thing.color} object")
    for thing in scene:
        yield Fact(thing, "size", thing.name)


def query(fact: Fact) -> GqaQuestion:
    full = fact.sentence().capitalize()
    step = ("query", fact.attribute, (0,))
    return fact.question(f"What is the {fact.attribute} of the {fact.name}?", fact.value, full, "query", step)


def verify(fact: Fact, scene: Scene) -> Iterator[GqaQuestion]:
    for value in nameable_values(fact, scene):
        answer = "yes" if value == fact.value else "no"
        text = f"Is the {fact.name} {predicate(fact.attribute, value)}?"
        step = (f"verify {fact.attribute}", value, (0,))
        yield fact.question(text, answer, f"{answer.capitalize()}, {fact.sentence()}", "verify", step)


def choose(fact: Fact, scene: Scene) -> Iterator[GqaQuestion]:
    for wrong in nameable_values(fact, scene):
        for first, second in ((fact.value, wrong), (wrong, fact.value)):
            if wrong != fact.value:
                offer = f"{predicate(fact.attribute, first)} or {predicate(fact.attribute, second)}"
                step = (f"choose {fact.attribute}", f"{first}|{second}", (0,))
                full = fact.sentence().capitalize()
                yield fact.question(f"Is the {fact.name} {offer}?", fact.value, full, "choose", step)


def existence(scene: Scene) -> Iterator[GqaQuestion]:
    """Is there such a shape, such a colour?"""
    for attribute, values in (("shape", SHAPES), ("color", COLORS)):
        for value in values:
            name = value if attribute == "shape" else f"{value} object"
            found = any(getattr(thing, attribute) == value for thing in scene)
            answer = "yes" if found else "no"
            yield GqaQuestion(
                text=f"Is there {with_article(name)} in the picture?",
                answer=answer,
                full_answer=f"{answer.capitalize()}, there is {with_article(name) if found else f'no {name}'}.",
                structural="verify",
                semantic="obj",
                detailed="exist",
                program=(("select", name, ()), ("exist", "?", (0,))),
                group="",
                fact=f"{name}-existence",
            )


def comparison(scene: Scene) -> Iterator[GqaQuestion]:
    """Do two things share a colour or a size? Two looks at the picture, so only the hard level asks it."""
    things = only(scene, "shape")
    for one in things:
        for other in things:
            for attribute in ("color", "size"):
                if one.shape < other.shape:
                    yield _comparison(one, other, attribute)


def _comparison(one: Thing, other: Thing, attribute: str) -> GqaQuestion:
    same = getattr(one, attribute) == getattr(other, attribute)
    names = f"the {one.shape} and the {other.shape}"
    return GqaQuestion(
        text=f"Do {names} have the same {attribute}?",
        answer="yes" if same else "no",
        full_answer=f"{'Yes' if same else 'No'}, {names} have {'the same' if same else 'a different'} {attribute}.",
        structural="compare",
        semantic="attr",
        detailed=f"same{attribute.capitalize()}",
        program=(("select", one.shape, ()), ("select", other.shape, ()), (f"same {attribute}", "", (0, 1))),
        group="",
        fact=f"{one.shape}-{other.shape}-{attribute}",
    )


def predicate(attribute: str, value: str) -> str:
    return with_article(value) if attribute == "shape" else value


def nameable_values(fact: Fact, scene: Scene) -> list[str]:
    """Values a question may name: no value that would name an unseen pair for a scene without unseen pairs."""
    pairs = askable_pairs(scene)

    def fits(value: str) -> bool:
        color, shape = fact.thing.pair
        return (value if fact.attribute == "color" else color, value if fact.attribute == "shape" else shape) in pairs

    return [value for value in VALUES[fact.attribute] if fits(value)]


def ask(scene: Scene, balance: Balance, level: str = "easy", most_facts: int = 3) -> list[GqaQuestion]:
    """The questions of one image: queries of up to three facts, one entailed question, one unrelated question.

    Every scene has facts, because its things have sizes.
    """
    left = {query(fact): fact for fact in facts(scene)}
    asked: list[GqaQuestion] = []
    while left and len(asked) < most_facts:
        asked.append(balance.choose(list(left)))
        known = left.pop(asked[-1])
    entailed = [*verify(known, scene), *choose(known, scene)]
    alone = list(comparison(scene)) if level == "hard" else []
    return [*asked, balance.choose(entailed), balance.choose(alone or list(existence(scene)))]
