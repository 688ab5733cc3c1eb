"""What several people answered, as targets with soft scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from vlhyper.readers.fields import FieldError, items, shown, text

# Of ten people: the share of leave-one-out subsets that count an answer as right, in the field's rounding.
SOFT_SCORES = {1: 0.3, 2: 0.6, 3: 0.9}


def soft_scores(answers: Iterable[str]) -> tuple[list[str], list[float]]:
    """Different answers, the commonest first, with 0.3, 0.6, 0.9 or 1 for one, two, three or more people."""
    common = [(answer, count) for answer, count in Counter(answers).most_common() if answer.strip()]
    return [answer for answer, _ in common], [SOFT_SCORES.get(count, 1.0) for _, count in common]


def human_answers(record: Any, key: str = "answers", part: str = "answer") -> tuple[list[str], list[float]]:
    """Soft scores of `record[key]`: a list of texts, or of objects that hold the text under `part`."""
    return soft_scores([entry if isinstance(entry, str) else text(entry, part) for entry in items(record, key)])


def scored_labels(labels: Any) -> tuple[list[str], list[float]]:
    """Targets and soft scores of VL-T5's `label`: an object from answer to score, which may be empty.

    An answer of score 0 would never be drawn; it is no target.
    """
    if not isinstance(labels, Mapping):
        raise FieldError(f"'label' must map answers to scores, is {shown(labels)}")
    for answer, score in labels.items():
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            raise FieldError(f"'label' gives {answer!r} the score {shown(score)}; it must be from 0 to 1")
    drawn = {answer: float(score) for answer, score in labels.items() if score}
    return list(drawn), list(drawn.values())
