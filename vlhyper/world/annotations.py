"""Annotations of scenes in the official layouts of the public data sets.

Every function returns what the official file of its data set holds, for `scenes` as pairs (image number, scene).
Layouts were read off the files of VQA v2, OK-VQA, Visual Genome, GQA, COCO captions and SNLI-VE.
"""

from __future__ import annotations

from vlhyper.world.questions import KNOWLEDGE, Question
from vlhyper.world.scene import COLORS, PLACES, SHAPES, SIZES

SYNONYMS = {"purple": "violet", "large": "big", "small": "tiny", "circle": "disc", "square": "box", "yes": "yeah"}


def slips(question: Question) -> list[str]:
    """What a person may say instead of the right answer: another word for it, or a look-alike."""
    groups = [COLORS, SHAPES, SIZES, PLACES, ("yes", "no"), [str(n) for n in range(5)]]
    groups += [tuple(known.values()) for _, known in KNOWLEDGE.values()]
    alike = next((group for group in groups if question.answer in group), ())
    other = [answer for answer in alike if answer != question.answer]
    return [SYNONYMS[question.answer], *other] if question.answer in SYNONYMS else list(other)
