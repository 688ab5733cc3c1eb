"""Ten human answers to a question: most are right, some use a synonym or a similar word."""

from __future__ import annotations

from random import Random

from vlhyper.world.questions import ANIMALS, FRUITS, THINGS, Question
from vlhyper.world.scene import COLORS, PLACES, SHAPES, SIZES

PEOPLE = 10
SYNONYMS = {"purple": "violet", "large": "big", "small": "tiny", "circle": "disc", "square": "box"}
LOOK_ALIKES = (COLORS, SHAPES, SIZES, PLACES, ("yes", "no"), tuple("01234"), FRUITS, ANIMALS, THINGS)
# Probabilities that zero, one or two of the ten answer differently; an answer of three would count as fully right.
DISSENT = (0.65, 0.25, 0.1)


def slips(question: Question) -> list[str]:
    """Other answers that a person may give instead of the right one."""
    alike = next((group for group in LOOK_ALIKES if question.answer in group), ())
    other = [answer for answer in alike if answer != question.answer]
    return [SYNONYMS[question.answer], *other] if question.answer in SYNONYMS else other


def human_answers(question: Question, rng: Random) -> list[tuple[str, str]]:
    """Ten answers in random order, each with the confidence `yes` or `maybe`."""
    possible = slips(question)
    dissenters = rng.choices(range(len(DISSENT)), DISSENT)[0] if possible else 0
    answers = [(question.answer, "yes")] * (PEOPLE - dissenters)
    answers += [(rng.choice(possible), "maybe") for _ in range(dissenters)]
    rng.shuffle(answers)
    return answers
