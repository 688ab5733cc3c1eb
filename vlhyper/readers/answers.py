"""What several people answered: the texts, their soft scores, and ten answers that have given soft scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vlhyper.published import PEOPLE, PEOPLE_FOR_FULL_SCORE, SOFT_SCORES
from vlhyper.readers.fields import FieldError, items, shown, text

_PEOPLE_OF = {score: people for people, score in SOFT_SCORES.items()}


def answer_texts(record: Any, key: str = "answers", part: str = "answer") -> list[str]:
    """The texts of `record[key]`: a list of texts, or of objects that hold the text under `part`."""
    return [entry if isinstance(entry, str) else text(entry, part) for entry in items(record, key)]


def soft_scores(answers: Iterable[str]) -> tuple[list[str], list[float]]:
    """Different answers, the commonest first, with 0.3, 0.6, 0.9 or 1 for one, two, three or more people."""
    common = [(answer, count) for answer, count in Counter(answers).most_common() if answer.strip()]
    return [answer for answer, _ in common], [SOFT_SCORES.get(count, 1.0) for _, count in common]


def human_answers(record: Any, key: str = "answers", part: str = "answer") -> tuple[list[str], list[float]]:
    """Different answers of `record[key]` with their soft scores."""
    return soft_scores(answer_texts(record, key, part))


def people(targets: Sequence[str], weights: Sequence[float]) -> list[str]:
    """Ten answers with these soft scores, the commonest first: VQA accuracy gives on them what it gave on the real ten.

    An answer of four people or more is right however many they were; blank answers, which rows leave out, fill up.
    """
    counts = [_PEOPLE_OF.get(weight, PEOPLE_FOR_FULL_SCORE) for weight in weights]
    rest = [""] * (PEOPLE - sum(counts))
    answers = [answer for answer, count in zip(targets, counts, strict=True) for _ in range(count)]
    return answers + ([targets[0]] * len(rest) if counts[0] == PEOPLE_FOR_FULL_SCORE else rest)


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
