"""What kind of answers a task has: labels, grades, short answers of several people, or prose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vlhyper.metrics.labels import LABEL_TASKS
from vlhyper.metrics.normalise import normalise_answer
from vlhyper.metrics.report import Report
from vlhyper.report.outcomes import outcome_of_answer, outcome_of_grade, outcomes_of_scores
from vlhyper.scoring.labels import label_names

# References of more words than this are prose, of which no two are alike.
LONG_ANSWER = 5


class Kind:
    """What kind of answers a task has, and their normal forms."""

    def __init__(self, report: Report) -> None:
        right = report.right[0] if len(report.right) else ""
        known = LABEL_TASKS.get(report.task)
        self.labels = known.labels if known else ()
        self.spelt = label_names(report.task) if self.labels else {}
        self.grades = isinstance(right, float)
        self.several = isinstance(right, list | tuple)
        firsts = [one[0] for one in report.right[:100] if one] if self.several else []
        self.prose = bool(firsts) and sum(len(str(one).split()) for one in firsts) > LONG_ANSWER * len(firsts)

    def wordings(self, right: Any) -> list[tuple[str, int]]:
        """What is right, each wording with the people who gave it, the commonest first."""
        if isinstance(right, Mapping):
            return [(str(right["answer"]), 0)]
        if not self.several:
            return [(str(right), 0)]
        if self.prose:
            return [(str(one), 0) for one in right]
        return [(one, count) for one, count in Counter(map(str, right)).most_common() if one]

    def given(self, answer: str) -> str:
        """An answer as it is counted."""
        if self.grades:
            return _whole(answer)
        if self.several and not self.prose:
            return normalise_answer(answer)
        return self.spelt.get(answer.strip(), answer.strip())

    def best(self, right: Any) -> str | None:
        """The right answer that counts most; None in prose."""
        if self.prose:
            return None
        if self.grades:
            return _whole(right)
        if self.several:
            return Counter(map(normalise_answer, right)).most_common(1)[0][0] if right else None
        return str(right["answer"] if isinstance(right, Mapping) else right)

    def outcomes(
        self, report: Report, given: Sequence[str], best: Sequence[str | None], scores: Sequence[float | None]
    ) -> list[str | None]:
        """In what way each answer is right or wrong. given, best: the answers and right ones as they are counted."""
        if self.grades:
            pairs = zip(report.answers, report.right, strict=True)
            return [outcome_of_grade(answer, right) for answer, right in pairs]
        if self.prose:
            return outcomes_of_scores(scores)
        return [
            None if score is None else outcome_of_answer(answer, right or "", score, self.labels)
            for answer, right, score in zip(given, best, scores, strict=True)
        ]


def _whole(grade: Any) -> str:
    try:
        return str(round(float(grade)))
    except (ValueError, OverflowError):
        return str(grade).strip()
