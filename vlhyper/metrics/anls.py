"""ANLS, the average normalised Levenshtein similarity of answers that are read in a picture.

An answer counts 1 - d / n to the nearest right answer, d the edits between the two in lower case with single spaces,
n the length of the longer one, and nothing where that is below one half.
Source: Biten et al., "Scene Text Visual Question Answering" (2019), section 4, and the evaluation program of DocVQA and
InfographicVQA (rrc.cvc.uab.es), which lmms-eval and VLMEvalKit follow. Its oddity is kept: n is the length before
spaces are made single, so that surplus ones are forgiven and still lengthen n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlhyper.errors import UserError
from vlhyper.metrics.kinds import mean, rows_by_kind
from vlhyper.metrics.report import MetricPath, Report, mean_of, nest

THRESHOLD = 0.5


def anls(prediction: str, answers: Sequence[str]) -> float:
    """ANLS of one prediction, 0 to 100. Raises UserError for no answers, or anything but texts.

    >>> anls("Universty of California", ["University of California", "UC"])
    95.83333333333334
    """
    if isinstance(answers, str) or not answers or not all(isinstance(text, str) for text in (prediction, *answers)):
        raise UserError("ANLS needs a text and a list of texts, at least one right answer")
    return 100 * _similarity(prediction, answers)


def _similarity(prediction: str, answers: Sequence[str]) -> float:
    found = 1 - min(_distance(answer, prediction) for answer in answers)
    return 0.0 if found < THRESHOLD else found


def _distance(answer: str, prediction: str) -> float:
    """Edits over length, 0 to 1; 1 where the lengths alone tell that the similarity is below the threshold."""
    # Capitals may have another length: the program measures them.
    length = max(len(answer.upper()), len(prediction.upper()))
    right, given = (" ".join(text.strip().lower().split()) for text in (answer, prediction))
    if length == 0:
        return 0.0
    least = abs(len(right) - len(given))
    return 1.0 if 1 - least / length < THRESHOLD else levenshtein(right, given) / length


def levenshtein(first: str, second: str) -> int:
    """The least number of letters put in, left out or exchanged that makes one text of the other."""
    if first == second:
        return 0
    row = list(range(len(second) + 1))
    for number, letter in enumerate(first, start=1):
        corner, row[0] = row[0], number
        for column, other in enumerate(second, start=1):
            corner, row[column] = (
                row[column],
                (corner if letter == other else 1 + min(corner, row[column], row[column - 1])),
            )
    return row[-1]


def anls_report(
    ids: Sequence[Any],
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
    images: Sequence[Any] | None = None,
    kinds: Sequence[Sequence[str] | None] = (),
) -> Report:
    """ANLS overall and by the kinds of questions, of which one may have several. All sequences run in step."""
    scores = [_similarity(given, right) for given, right in zip(predictions, answers, strict=True)]
    parts: dict[MetricPath, list[int]] = {("ANLS",): list(range(len(scores)))}
    parts |= {("question_type", name): rows for name, rows in sorted(rows_by_kind(kinds).items())}
    percents = [100 * score for score in scores]
    return Report(
        task="docvqa",
        n=len(ids),
        metrics=nest((path, mean([scores[row] for row in rows])) for path, rows in parts.items()),
        ids=ids,
        items={"ANLS": percents},
        clusters=images,
        summed=lambda: {path: mean_of([percents[row] for row in rows], rows) for path, rows in parts.items()},
    )
