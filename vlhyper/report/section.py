"""One task on the page: its figures, how answers are confused, in which groups points are lost, and its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vlhyper.metrics import bootstrap
from vlhyper.metrics.report import MetricPath, Report, SummedMetric, flatten, mean_of
from vlhyper.report.failures import Judge, better, confusions, frequent
from vlhyper.report.kinds import Kind
from vlhyper.report.outcomes import QUARTERS
from vlhyper.report.parts import (
    MOST_ROWS,
    RIGHT_ANSWER,
    SMALLEST_GROUP,
    Cell,
    Figure,
    Section,
    answer_column,
    better_column,
    outcome_column,
)
from vlhyper.report.samples import Column, Samples

# Right answers that have a bar of their own.
MOST_ANSWERS = 20
EQUAL = ("both right", "equal")
# Of several scores of an item the one that groups are judged by; else it is the first.
STANDS_FOR_CAPTIONS = "CIDEr"


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
    kind = Kind(first)
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
    judge = {system: Judge(system, values, columns) for system, values in scores.get(metric, {}).items()}
    return Section(
        name=name,
        title=name,
        systems=list(reports),
        figures=[figure for figure in every if len(figure.path) == 1],
        groups={head: _ordered(figures) for head, figures in groups.items()},
        metric=metric,
        outcomes={system: one.groups(outcome_column(system, reports)) for system, one in judge.items()},
        weak={system: one.weak() for system, one in judge.items()} if not kind.grades else {},
        confusions=confusions(reports, columns, kind),
        frequent={system: frequent(answer_column(system, reports), columns) for system in reports},
        better=better(reports, columns),
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


def _columns(
    reports: Mapping[str, Report], kind: Kind, scores: Mapping[str, Sequence[float | None]]
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


def _with_answers(report: Report, columns: Mapping[str, Column], metric: str, kind: Kind) -> Report:
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


def _heading(report: Mapping[str, Any]) -> str:
    """What was scored and how, in one line."""
    known = ("task", "variant", "n", "total", "metrics", "skipped", "notes", "confidence", "against")
    settings = [str(report["variant"])] if report.get("variant") else []
    rest = {key: value for key, value in report.items() if key not in known and isinstance(value, str | int | float)}
    settings += [f"{key.replace('_', ' ')} {value}" for key, value in rest.items()]
    scored = report.get("n")
    done = [] if scored is None else [f"{scored:,} of {report.get('total') or scored:,} scored"]
    return " · ".join([*done, *settings])
