"""A report of scores as tables for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.markup import escape

from vlhyper.console import say
from vlhyper.metrics.report import LOWER_IS_BETTER, SENTENCES, SHORT_ANSWERS, Report, flatten
from vlhyper.show.tables import print_table
from vlhyper.wording import named


def show_report(report: Report) -> None:
    """The report as a table for a person, and one for each of several systems that it was compared with."""
    content = report.to_json()
    settings = ", ".join(filter(None, [report.variant, *(f"{name} {one}" for name, one in report.settings.items())]))
    head = f"{report.task}{f' ({settings})' if settings else ''}: {report.n} of {content['total']} scored"
    against: Any = content.get("against") or []
    several = isinstance(against, list)
    columns = {"metric": list(map(_name, report.flat())), "score": [value for _, value in report.flat()]}
    if report.metrics:
        columns |= _own_columns(content, report) | ({} if several else _columns_against(against, report))
        print_table(list(columns), zip(*columns.values(), strict=True), head)
    for other in against if several else ():
        table = {"metric": columns["metric"]} | _columns_against(other, report, several)
        print_table(list(table), zip(*table.values(), strict=True), f"against {other['predictions']}")
    if "submission" in report.settings:
        done = "written to" if report.settings["written"] else "complete and correct in"
        say(f"{report.task}: {report.n} records are {done} {report.settings['submission']}")
    for name, why in report.skipped.items():
        say(f"{name} skipped: {why}")
    for note in [*report.notes, *_notes(content)]:
        say(f"note: {note}")


def _name(metric: tuple[tuple[str, ...], float]) -> str:
    """A metric's name; of some the lower figure is the better one."""
    # Types are named by the file: a name may hold what a terminal, or the table's markup, would obey.
    return escape(" / ".join(map(named, metric[0]))) + (" ↓" if metric[0][-1] in LOWER_IS_BETTER else "")


def _own_columns(content: dict[str, Any], report: Report) -> dict[str, list[Any]]:
    columns = {}
    if sentences := content.get(SHORT_ANSWERS):
        columns[SENTENCES] = _column(sentences["metrics"], report)
    if confidence := content.get("confidence"):
        columns["95 % interval"] = [_range(None, one) for one in _column(confidence["intervals"], report)]
    return columns | _power_column(content, report)


def _columns_against(other: dict[str, Any], report: Report, several: bool = False) -> dict[str, list[Any]]:
    better = zip(_column(other["difference"], report), _column(other["intervals"], report), strict=True)
    columns = {"other": _column(other["metrics"], report), "better by (95 %)": [_range(*one) for one in better]}
    name, values = ("p (Holm)", other["p_holm"]) if several else ("p", other["p"])
    columns[name] = ["" if p == "" else "<0.001" if p < 0.001 else f"{p:.3f}" for p in _column(values, report)]
    return columns | _power_column(other, report)


def _power_column(content: dict[str, Any], report: Report) -> dict[str, list[Any]]:
    power = content.get("power")
    return {} if power is None else {_needed(power): _column(power["needed"], report)}


def _needed(power: dict[str, Any]) -> str:
    return f"n for {power['points']:g}"


def _column(values: dict[str, Any], report: Report) -> list[Any]:
    """What each metric of the report has in `values`, "" where it has nothing."""
    found = dict(flatten(values))
    return [found.get(path, "") for path, _ in report.flat()]


def _notes(content: dict[str, Any]) -> Iterator[str]:
    """How the figures beside the scores are meant."""
    against = content.get("against") or []
    systems = against if isinstance(against, list) else [against]
    if systems:
        first = systems[0]
        several = f", corrected by Holm's method for {len(systems)} systems, metric by metric" if systems[1:] else ""
        yield (
            f"p by {first['test']} ({first['exchanges']} exchanges of what the systems gave to an {first['resampled']})"
            f"{several}"
        )
    for power in [content["power"]] if "power" in content else [one["power"] for one in systems[:1] if "power" in one]:
        kind = "systems like these two" if power["paired"] else "systems like this one"
        shared = "; images have as many items as here" if power["clustered"] == "image" else ""
        yield (
            f"{_needed(power)!r}: the items on which {kind} that differ by {power['points']:g} are told apart at the "
            f"{power['significance']} % level with a probability of {power['power']} %{shared}"
        )
    if sentences := content.get(SHORT_ANSWERS):
        yield f"{SENTENCES!r} is not the official score: {sentences['rule']} ({sentences['changed']} changed)"


def _range(value: Any, interval: Any) -> str:
    middle = "" if value in (None, "") else f"{value:+.2f} "
    # One decimal, so that all of it fits into 80 columns; --json has them whole.
    return middle + (f"[{interval[0]:.1f}, {interval[1]:.1f}]" if interval else "")
