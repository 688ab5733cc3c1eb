"""In what way an answer is right or wrong, told from the texts alone: the groups in which failures are looked at."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Container, Sequence
from statistics import quantiles

from vlhyper.metrics.labels import is_grade

RIGHT, PARTLY = "right", "partly right"
YES_NO = ("yes", "no")
NUMBERS = ("none", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")
# Errors of a grade up to which an answer belongs to a group.
ERRORS = {0.5: "within 0.5", 1.0: "0.5 to 1 off", 2.0: "1 to 2 off"}
FAR = "more than 2 off"


def outcome_of_answer(given: str, right: str, score: float, labels: Container[str] = ()) -> str:
    """given, right: the answer and the one that counts most, in normal form. score: 0 to 100. labels: of a choice."""
    if score >= 100:
        return RIGHT
    if score > 0:
        return PARTLY
    if not given:
        return "no answer"
    if labels:
        return "another label" if given in labels else "no label"
    if right in YES_NO:
        return f"{given} for {right}" if given in YES_NO else "no yes or no where one is asked for"
    if given in YES_NO:
        return "yes or no where none is asked for"
    if _is_number(right):
        return "another number" if _is_number(given) else "no number where one is asked for"
    if f" {right} " in f" {given} ":
        return "the right words among others"
    if f" {given} " in f" {right} ":
        return "a part of the right words"
    return "another answer"


def _is_number(text: str) -> bool:
    return text in NUMBERS or is_grade(text)


def outcome_of_grade(given: str, right: float) -> str:
    """How far a generated grade is from the true one."""
    if not is_grade(given):
        return "no grade"
    off = abs(float(given) - right)
    return next((name for most, name in ERRORS.items() if off <= most), FAR)


def outcomes_of_scores(scores: Sequence[float | None]) -> list[str | None]:
    """Where nothing is right or wrong: the quarter of the scores in which each lies."""
    known = [score for score in scores if score is not None]
    if len(known) < len(QUARTERS):
        return [None] * len(scores)
    bounds = quantiles(known, n=len(QUARTERS), method="inclusive")
    return [None if score is None else QUARTERS[bisect(bounds, score)] for score in scores]
