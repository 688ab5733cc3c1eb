"""Where answers fail: groups in which points are lost, answers that are confused, given too often, or worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from vlhyper.metrics.report import Report
from vlhyper.report.kinds import Kind
from vlhyper.report.parts import (
    MOST_ROWS,
    RIGHT_ANSWER,
    SMALLEST_GROUP,
    Cell,
    Confusion,
    Group,
    answer_column,
    better_column,
)
from vlhyper.report.samples import Column

MOST_PAIRS, MOST_GROUPS = 12, 12
OTHERS = "others"


class Judge:
    """The mean scores of groups of one system's samples."""

    def __init__(self, system: str, scores: Sequence[float | None], columns: Mapping[str, Column]) -> None:
        self.system, self.scores, self.columns = system, scores, columns
        known = [score for score in scores if score is not None]
        self.mean = sum(known) / len(known) if known else 0.0

    def groups(self, name: str) -> list[Group]:
        """The groups of a column, in its order."""
        return [self._group(name, label, rows) for label, rows in self.columns[name].members().items() if rows]

    def weak(self) -> list[Group]:
        """The groups below the mean in which most points are lost."""
        names = [name for name in self.columns if not name.startswith(("answer of", "outcome", "compared with"))]
        hidden = {"answer", RIGHT_ANSWER if "per_label" in names else ""}
        groups = [group for name in names if name not in hidden for group in self.groups(name)]
        weak = [one for one in groups if one.mean < self.mean and one.cell.count >= SMALLEST_GROUP]
        return sorted(weak, key=lambda one: (one.mean - self.mean) * one.cell.count)[:MOST_GROUPS]

    def _group(self, name: str, label: str, rows: Sequence[int]) -> Group:
        known = [score for row in rows if (score := self.scores[row]) is not None]
        mean = sum(known) / len(known) if known else 0.0
        lost = sum(100 - score for score in known) / len(self.scores)
        return Group(name, label, Cell(len(rows), [(name, label)]), mean, lost)


def confusions(reports: Mapping[str, Report], columns: Mapping[str, Column], kind: Kind) -> dict[str, Confusion]:
    """How answers are confused, by system; empty where no single answer is right."""
    if RIGHT_ANSWER not in columns:
        return {}
    return {system: _confusion(answer_column(system, reports), columns, kind) for system in reports}


def _confusion(name: str, columns: Mapping[str, Column], kind: Kind) -> Confusion:
    right, given = columns[RIGHT_ANSWER].values(), columns[name].values()
    labels = list(kind.labels) or columns[RIGHT_ANSWER].labels[:MOST_ROWS]
    if kind.grades:
        labels = sorted(columns[RIGHT_ANSWER].labels, key=float)
    counts = Counter(zip(right, given, strict=True))
    among = Counter((one, answer in set(labels)) for one, answer in zip(right, given, strict=True))
    rows = [label for label in labels if among[label, True] + among[label, False]]
    cells = [
        [
            *(Cell(counts[row, column], [(RIGHT_ANSWER, row), (name, column)]) for column in labels),
            Cell(among[row, False], [(RIGHT_ANSWER, row)], (name, labels)),
        ]
        for row in rows
    ]
    mistakes = [(pair, count) for pair, count in counts.most_common() if pair[0] != pair[1] and pair[0] is not None]
    pairs = [
        (str(one), str(answer), Cell(count, [(RIGHT_ANSWER, str(one)), (name, str(answer))]))
        for (one, answer), count in mistakes[:MOST_PAIRS]
    ]
    return Confusion(rows, [*labels, OTHERS], cells, pairs)


def frequent(name: str, columns: Mapping[str, Column]) -> list[tuple[str, Cell, int | None]]:
    """The answers given most often: how often, and for how many samples they are the right one."""
    right = Counter(columns[RIGHT_ANSWER].values()) if RIGHT_ANSWER in columns else None
    given = Counter(one for one in columns[name].values() if one is not None)
    return [
        (label, Cell(count, [(name, label)]), None if right is None else right[label])
        for label, count in given.most_common(MOST_ROWS)
    ]


def better(reports: Mapping[str, Report], columns: Mapping[str, Column]) -> dict[str, list[tuple[str, Cell]]]:
    """On how many samples which system does better, by the system that the first is compared with."""
    found = {}
    for other in list(reports)[1:]:
        if column := columns.get(better_column(other)):
            members = column.members().items()
            found[other] = [(label, Cell(len(rows), [(better_column(other), label)])) for label, rows in members]
    return found
