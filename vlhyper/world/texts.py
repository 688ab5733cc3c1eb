"""Texts to pretrain the miniature T5: questions about written scenes, their captions, and gaps to fill.

The prompts are those of the tasks, so that a picture later replaces only the words after `context:`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from vlhyper.world import gqa
from vlhyper.world.language import captions, describe, hypothesis
from vlhyper.world.questions import KNOWLEDGE, VG_KINDS, VQA_KINDS, Balance, Question, ask, knowledge
from vlhyper.world.scene import Scene

LABELS = ("entailment", "neutral", "contradiction")
SENTINELS = tuple(f"<extra_id_{number}>" for number in range(10))


class Writer:
    """Writes (prompt, target) pairs about scenes; the answers of one writer are balanced."""

    def __init__(self, rng: Random, level: str = "easy") -> None:
        self.rng = rng
        self.level = level
        self.balance = Balance(rng)
        self.kinds = VQA_KINDS[level] + VG_KINDS

    def question(self, scene: Scene) -> tuple[str, str, str]:
        """(kind, prompt, answer) of a question of any task about a written scene."""
        asks: tuple[Callable[[Scene], tuple[str, str, str]], ...] = (self.vqa, self.gqa, self.okvqa, self.snli_ve)
        chosen = self.rng.choices(asks, weights=(60, 30, 6, 4))[0]
        kind, prompt, answer = chosen(scene)
        return kind, f"{prompt} context: {describe(scene, self.rng)}", answer

    def vqa(self, scene: Scene) -> tuple[str, str, str]:
        asked = None
        while asked is None:
            asked = ask(scene, self.rng.choice(self.kinds), self.balance)
        return asked.kind, f"vqa question: {asked.text}", asked.answer

    def gqa(self, scene: Scene) -> tuple[str, str, str]:
        asked = self.rng.choice(gqa.ask(scene, self.balance, self.level, most_facts=1))
        return f"gqa {asked.structural}", f"gqa question: {asked.text}", asked.answer

    def okvqa(self, scene: Scene) -> tuple[str, str, str]:
        asked = ask(scene, knowledge, self.balance)
        asked = asked or self.bare_fact()
        return "okvqa", f"okvqa question: {asked.text}", asked.answer

    def bare_fact(self) -> Question:
        category = self.rng.choice(sorted(KNOWLEDGE))
        attribute, known = KNOWLEDGE[category]
        value = self.rng.choice(sorted(known))
        return Question(f"Which {category} has the {attribute} {value}?", known[value], category)

    def snli_ve(self, scene: Scene) -> tuple[str, str, str]:
        label = self.rng.choice(LABELS)
        return "snli-ve", f"snli-ve premise: {hypothesis(scene, label, self.rng)}", label

    def caption(self, scene: Scene) -> tuple[str, str]:
        return f"caption: context: {describe(scene, self.rng)}", self.rng.choice(captions(scene))

    def told_twice(self, scene: Scene) -> str:
        """The scene described twice in different orders: what is missing in one description is in the other."""
        return f"{describe(scene, self.rng)} picture {describe(scene, self.rng, size=0.7, place=0.7)}"


def hide_spans(tokens: list[int], sentinels: list[int], rng: Random, share: float = 0.2) -> tuple[list[int], list[int]]:
    """T5's span corruption: about `share` of the tokens are replaced, each run by one sentinel; the target has them."""
    hidden = [False] * len(tokens)
    for _ in range(max(1, round(share * len(tokens) / 2))):
        start = rng.randrange(len(tokens))
        for place in range(start, min(len(tokens), start + rng.randint(1, 3))):
            hidden[place] = True
    source, target, runs = [], [], iter(sentinels)
    for place, token in enumerate(tokens):
        if not hidden[place]:
            source.append(token)
            continue
        if place == 0 or not hidden[place - 1]:
            sentinel = next(runs)
            source.append(sentinel)
            target.append(sentinel)
        target.append(token)
    return source, target
