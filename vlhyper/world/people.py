"""Ten people answer a question: most of them right, now and then one in another word or with a look-alike."""

from __future__ import annotations

from random import Random

from vlhyper.world.questions import ANIMALS, FRUITS, THINGS, Question
from vlhyper.world.scene import COLORS, PLACES, SHAPES, SIZES

PEOPLE = 10
SYNONYMS = {"purple": "violet", "large": "big", "small": "tiny", "circle": "disc", "square": "box"}
LOOK_ALIKES = (COLORS, SHAPES, SIZES, PLACES, ("yes", "no"), tuple("01234"), FRUITS, ANIMALS, THINGS)
# Chances that none, one or two of the ten answer otherwise. Three would make their answer count as fully right.
DISSENT = (0.65, 0.25, 0.1)


def slips(question: Question) -> list[str]:
    """What a person may say in place of the right answer."""
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
