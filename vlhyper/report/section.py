"""One task on the page: its figures, how answers are confused, in which groups points are lost, and its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlhyper.metrics import bootstrap
from vlhyper.metrics.labels import LABEL_TASKS
from vlhyper.metrics.normalise import normalise_answer
from vlhyper.metrics.report import MetricPath, Report, SummedMetric, flatten, mean_of
from vlhyper.report.outcomes import QUARTERS, outcome_of_answer, outcome_of_grade, outcomes_of_scores
from vlhyper.report.samples import Column, Samples, Where
from vlhyper.scoring.labels import label_names

# Right answers that have a bar of their own, or a row in the table of confusions.
MOST_ANSWERS, MOST_ROWS = 20, 10
MOST_PAIRS, MOST_GROUPS = 12, 12
# A group of fewer samples says nothing about a system.
SMALLEST_GROUP = 5
OTHERS = "others"
EQUAL = ("both right", "equal")
RIGHT_ANSWER = "right answer"
# Of several scores of an item the one that groups are judged by; else it is the first.
STANDS_FOR_CAPTIONS = "CIDEr"
# References of more words than this are prose, of which no two are alike.
LONG_ANSWER = 5


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


def figures_alone(name: str, systems: Mapping[str, Mapping[str, Any]], missing: str) -> Section:
    """The section of a task of which scores are known and no samples. systems: reports as JSON, by system."""
    flat = {system: dict(flatten(report["metrics"])) for system, report in systems.items()}
    paths = dict.fromkeys(path for values in flat.values() for path in values)
    figures = [
        Figure(path, {system: values[path] for system, values in flat.items() if path in values}, {}, {}, Cell(0, []))
        for path in paths
        if len(path) == 1
    ]
    first = next(iter(systems.values()))
    return Section(
        name,
        name,
        list(systems),
        figures,
        total=first.get("total") or 0,
        heading=_heading(first),
        skipped=first.get("skipped", {}),
        missing=missing,
    )


def make_section(
    name: str,
    reports: Mapping[str, Report],
    texts: Mapping[str, Sequence[str]],
    images: Sequence[str],
    more: Mapping[str, Mapping[str, float]] | None = None,
) -> Section:
    """The section of a task that one or several systems were scored on.

    Args:
        reports: by system, all on the same items in the same order, with the answers and what is right.
        texts: what was asked, in step with the items, by name.
        images: in step with the items, "" for none.
        more: single metrics that the reports lack, by system, such as SPICE that another run of the scorer gave.
    """
    first = next(iter(reports.values()))
    kind = _Kind(first)
    names = sorted(first.items, key=lambda key: key != STANDS_FOR_CAPTIONS)
    metric = names[0] if names else ""
    scores = {key: {system: list(report.items[key]) for system, report in reports.items()} for key in names}
    columns = _columns(reports, kind, scores.get(metric, {}))
    samples = Samples(
        ids=first.ids,
        images=images,
        texts=texts,
        right=[kind.wordings(right) for right in first.right],
        answers={system: report.answers for system, report in reports.items()},
        scores=scores,
        columns=columns,
    )
    extended = {system: _with_answers(report, columns, metric, kind) for system, report in reports.items()}
    every = _figures(extended, more or {})
    heads = dict.fromkeys(figure.path[0] for figure in every if len(figure.path) > 1)
    groups = {head: [one for one in every if one.path[0] == head and one.path[1:]] for head in heads}
    judge = {system: _Judge(system, values, columns) for system, values in scores.get(metric, {}).items()}
    return Section(
        name=name,
        title=name,
        systems=list(reports),
        figures=[figure for figure in every if len(figure.path) == 1],
        groups={head: _ordered(figures) for head, figures in groups.items()},
        metric=metric,
        outcomes={system: one.groups(outcome_column(system, reports)) for system, one in judge.items()},
        weak={system: one.weak() for system, one in judge.items()} if not kind.grades else {},
        confusions=_confusions(reports, columns, kind),
        frequent={system: _frequent(answer_column(system, reports), columns) for system in reports},
        better=_better(reports, columns),
        samples=samples,
        prose=kind.prose,
        total=first.total or first.n,
        heading=_heading(first.to_json()),
        notes=first.notes,
        skipped={
            key: why for key, why in first.skipped.items() if not any(key in one for one in (more or {}).values())
        },
    )


def _ordered(figures: list[Figure]) -> list[Figure]:
    """The largest groups first where there are many, unless numbers are their order."""
    if len(figures) <= MOST_ROWS or all(figure.path[-1].isdigit() for figure in figures):
        return figures
    return sorted(figures, key=lambda figure: -figure.cell.count)


class _Kind:
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


def answer_column(system: str, systems: Sequence[str] | Mapping[str, Any]) -> str:
    return f"answer of {system}" if len(systems) > 1 else "answer"


def outcome_column(system: str, systems: Sequence[str] | Mapping[str, Any]) -> str:
    return f"outcome of {system}" if len(systems) > 1 else "outcome"


def better_column(system: str) -> str:
    return f"compared with {system}"


def _columns(
    reports: Mapping[str, Report], kind: _Kind, scores: Mapping[str, Sequence[float | None]]
) -> dict[str, Column]:
    """Everything by which samples are grouped: the parts of the metrics, right and given answers, outcomes."""
    first = next(iter(reports.values()))
    columns = _parts(first)
    best = [kind.best(right) for right in first.right]
    if any(one is not None for one in best):
        columns[RIGHT_ANSWER] = Column.from_values(best, [one for one, _ in Counter(best).most_common() if one])
    for system, report in reports.items():
        given = [kind.given(answer) for answer in report.answers]
        order = [one for one, _ in Counter(given).most_common()]
        columns[answer_column(system, reports)] = Column.from_values(given, order)
        if system in scores:
            found = kind.outcomes(report, given, best, scores[system])
            order = [one for one, _ in Counter(found).most_common() if one]
            order = [one for one in QUARTERS if one in order] or order
            columns[outcome_column(system, reports)] = Column.from_values(found, order)
    main, *others = reports
    for other in others if scores else ():
        pairs = zip(scores[main], scores[other], strict=True)
        sign = -1 if kind.grades else 1
        values = [_comparison(*pair, main, other, sign) for pair in pairs]
        order = [one for one in (*_better_names(main, other), *EQUAL) if one in values]
        columns[better_column(other)] = Column.from_values(values, order)
    return columns


def _comparison(ours: float | None, theirs: float | None, name: str, other: str, sign: int) -> str | None:
    if ours is None or theirs is None:
        return None
    if ours != theirs:
        return _better_names(name, other)[sign * ours < sign * theirs]
    return EQUAL[not (ours >= 100 and sign > 0)]


def _better_names(main: str, other: str) -> tuple[str, str]:
    return f"{main} better", f"{other} better"


def _parts(report: Report) -> dict[str, Column]:
    """The parts of the items that metrics are about, by the first name of a metric."""
    labels: dict[str, list[str]] = {}
    numbers: dict[str, list[int]] = {}
    for path, part in report.summed().items():
        if len(path) == 1 and (part.rows is None or len(part.rows) == report.n):
            continue
        rows = range(report.n) if part.rows is None else part.rows
        of = numbers.setdefault(path[0], [-1] * report.n)
        known = labels.setdefault(path[0], [])
        for row in rows:
            of[row] = len(known)
        known.append(path[-1])
    return {name: Column(labels[name], of) for name, of in numbers.items()}


def _with_answers(report: Report, columns: Mapping[str, Column], metric: str, kind: _Kind) -> Report:
    """The report with the mean score of the commonest right answers among its metrics."""
    column, before = columns.get(RIGHT_ANSWER), report.summed
    if column is None or kind.grades or "per_label" in columns or not metric or len(column.labels) < 2:
        return report
    scores, extra = report.items[metric], {}
    for label, members in list(column.members().items())[:MOST_ANSWERS]:
        known = [row for row in members if scores[row] is not None]
        if len(known) >= SMALLEST_GROUP:
            extra[(RIGHT_ANSWER, label)] = known
    sums: dict[MetricPath, SummedMetric] = {
        path: mean_of([scores[row] or 0.0 for row in rows], rows) for path, rows in extra.items()
    }
    means = {path[1]: sum(scores[row] or 0.0 for row in rows) / len(rows) for path, rows in extra.items()}
    metrics = {**report.metrics, RIGHT_ANSWER: means} if means else report.metrics
    return replace(report, metrics=metrics, summed=lambda: before() | sums)


def _figures(reports: Mapping[str, Report], more: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    """Every metric of the first system, beside those of the others."""
    main, *others = reports
    first = reports[main]
    parts = first.summed()
    flat = {system: dict(report.flat()) for system, report in reports.items()}
    for system, values in more.items():
        flat[system] = {(key,): value for key, value in values.items()} | flat[system]
    intervals = {system: _intervals(report) for system, report in reports.items()}
    against = {other: bootstrap.compare(reports[other], first) for other in others}
    found = []
    for path in flat[main]:
        rows = parts[path].rows if path in parts else None
        partial = rows is not None and (len(path) > 1 or len(rows) < first.n)
        differences = {}
        for other, one in against.items():
            difference, interval = dict(flatten(one["difference"])), dict(flatten(one["intervals"]))
            if path in difference:
                differences[other] = difference[path], interval.get(path, ())
        found.append(
            Figure(
                path,
                {system: values[path] for system, values in flat.items() if path in values},
                {system: one[path] for system, one in intervals.items() if path in one},
                differences,
                Cell(first.n if rows is None else len(rows), [(path[0], path[-1])] if partial else []),
            )
        )
    return found


def _intervals(report: Report) -> dict[MetricPath, Sequence[float]]:
    return dict(flatten(bootstrap.confidence(report)["intervals"]))


class _Judge:
    """The mean scores of groups of one system's samples."""

    def __init__(self, system: str, scores: Sequence[float | None], columns: Mapping[str, Column]) -> None:
        self.system, self.scores, self.columns = system, scores, columns
        known = [score for score in scores if score is not None]
        self.mean = sum(known) / len(known) if known else 0.0

    def groups(self, name: str) -> list[Group]:
        """The groups of a column, those of most samples first, unless they are in an order of their own."""
        found = [self._group(name, label, rows) for label, rows in self.columns[name].members().items() if rows]
        return found

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


def _confusions(reports: Mapping[str, Report], columns: Mapping[str, Column], kind: _Kind) -> dict[str, Confusion]:
    if RIGHT_ANSWER not in columns:
        return {}
    return {system: _confusion(answer_column(system, reports), columns, kind) for system in reports}


def _confusion(name: str, columns: Mapping[str, Column], kind: _Kind) -> Confusion:
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


def _frequent(name: str, columns: Mapping[str, Column]) -> list[tuple[str, Cell, int | None]]:
    """The answers given most often: how often, and for how many samples they are the right one."""
    right = Counter(columns[RIGHT_ANSWER].values()) if RIGHT_ANSWER in columns else None
    given = Counter(one for one in columns[name].values() if one is not None)
    return [
        (label, Cell(count, [(name, label)]), None if right is None else right[label])
        for label, count in given.most_common(MOST_ROWS)
    ]


def _better(reports: Mapping[str, Report], columns: Mapping[str, Column]) -> dict[str, list[tuple[str, Cell]]]:
    found = {}
    for other in list(reports)[1:]:
        if column := columns.get(better_column(other)):
            members = column.members().items()
            found[other] = [(label, Cell(len(rows), [(better_column(other), label)])) for label, rows in members]
    return found


def _heading(report: Mapping[str, Any]) -> str:
    """What was scored and how, in one line."""
    known = ("task", "variant", "n", "total", "metrics", "skipped", "notes", "confidence", "against")
    settings = [str(report["variant"])] if report.get("variant") else []
    rest = {key: value for key, value in report.items() if key not in known and isinstance(value, str | int | float)}
    settings += [f"{key.replace('_', ' ')} {value}" for key, value in rest.items()]
    scored = report.get("n")
    done = [] if scored is None else [f"{scored:,} of {report.get('total') or scored:,} scored"]
    return " · ".join([*done, *settings])
