"""What a section of the page is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlhyper.metrics.report import MetricPath
from vlhyper.report.samples import Samples, Where

RIGHT_ANSWER = "right answer"
# Rows in the table of confusions.
MOST_ROWS = 10
# A group of fewer samples says nothing about a system.
SMALLEST_GROUP = 5


@dataclass(frozen=True)
class Cell:
    """A number of samples, and which they are; `none_of` are labels of a column that they do not have."""

    count: int
    where: Where
    none_of: tuple[str, Sequence[str]] | None = None


@dataclass(frozen=True)
class Figure:
    """One metric: its value and interval of each system, by how much each exceeds the first, what samples it is of."""

    path: MetricPath
    values: Mapping[str, float]
    intervals: Mapping[str, Sequence[float]]
    differences: Mapping[str, tuple[float, Sequence[float]]]
    cell: Cell
    paper: str = ""


@dataclass(frozen=True)
class Confusion:
    """How often which answer was given for which right one, and the commonest mistakes: (right, given, cell)."""

    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    pairs: Sequence[tuple[str, str, Cell]]


@dataclass(frozen=True)
class Group:
    """Samples with a label in common: their mean score, and the points that the whole loses with them."""

    column: str
    label: str
    cell: Cell
    mean: float
    lost: float


@dataclass(frozen=True)
class Section:
    """A task of the page. `figures` are single metrics, `groups` those by type; what is by system has its name as key.

    metric: the item score by which groups are judged. missing: why there are no samples.
    """

    name: str
    title: str
    systems: Sequence[str]
    figures: Sequence[Figure]
    groups: Mapping[str, Sequence[Figure]] = field(default_factory=dict)
    metric: str = ""
    outcomes: Mapping[str, Sequence[Group]] = field(default_factory=dict)
    weak: Mapping[str, Sequence[Group]] = field(default_factory=dict)
    confusions: Mapping[str, Confusion] = field(default_factory=dict)
    frequent: Mapping[str, Sequence[tuple[str, Cell, int | None]]] = field(default_factory=dict)
    better: Mapping[str, Sequence[tuple[str, Cell]]] = field(default_factory=dict)
    samples: Samples | None = None
    prose: bool = False
    total: int = 0
    heading: str = ""
    notes: Sequence[str] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""

    @property
    def lower_is_better(self) -> bool:
        """Whether the score of a sample is an error."""
        return self.metric == "squared_error"

    @property
    def has_points(self) -> bool:
        """Whether the score of a sample is 100 where all is right, so that points can be lost."""
        return not self.prose and not self.lower_is_better

    @property
    def has_body(self) -> bool:
        """Whether there is more to show of it than its line among the scores."""
        return self.samples is not None or bool(self.missing or self.notes)

    @property
    def highest(self) -> float:
        """The end of the scale on which the section's bars are drawn."""
        every = [figure for figures in (self.figures, *self.groups.values()) for figure in figures]
        return max([100.0, *(value for figure in every for value in figure.values.values())])


def answer_column(system: str, systems: Sequence[str] | Mapping[str, Any]) -> str:
    """The column of a system's answers, with its name where there are several systems."""
    return f"answer of {system}" if len(systems) > 1 else "answer"


def outcome_column(system: str, systems: Sequence[str] | Mapping[str, Any]) -> str:
    """The column of how its answers are right or wrong, named alike."""
    return f"outcome of {system}" if len(systems) > 1 else "outcome"


def better_column(system: str) -> str:
    """The column of how the first system does beside this one."""
    return f"compared with {system}"
