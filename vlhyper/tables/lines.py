"""The lines of a table: each row of the paper with its figures and, beside it, those of our runs. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple

from vlhyper.console import say
from vlhyper.errors import UserError
from vlhyper.metrics.seeds import Point
from vlhyper.model.families import KNOWN, size_of
from vlhyper.model.methods import METHODS
from vlhyper.model.paper import BACKBONE, FORMULAS, left_out
from vlhyper.model.spec import Counts, ModelSpec, count
from vlhyper.run.config import RunConfig, stated_inputs
from vlhyper.show.sheets import Sheet
from vlhyper.tables.rows import DEFAULT_VARIANT, SINGLE, TABLES, VARIANT, Column, PaperRow, PaperTable
from vlhyper.tables.runs import Evaluated, Group, joined
from vlhyper.tasks import TASKS
from vlhyper.wording import some

PAPER, OURS = "paper", "ours"
PLACES = ("backbone", "tokenizer", "tune")
UNKNOWN = "Figures of the paper that are blank are not known to this program."


class Line(NamedTuple):
    """One line: whose figures they are, and the figures by column."""

    method: str
    source: str
    figures: Mapping[Column, Point | None]


def scores(table: PaperTable, runs: Sequence[Evaluated], split: str) -> Sheet:
    """Table 1 or 2. Every row of the paper has a line of ours, blank where nothing was run; other runs follow."""
    groups = joined(runs)
    figures = _with_variants(table.figures, runs)
    average = (Column(table.averaged),) if table.averaged else ()
    lines = _lines(
        table.rows,
        groups,
        paper=lambda row: [Line(row.title, PAPER, _printed(table, row, (*figures, *average)))],
        ours=lambda group, title: Line(title, _source(group), _measured(table, group, figures, average)),
        fits=lambda row, group: _fits(table, row, group),
        label=lambda group: _label(table, group),
    )
    spread = "Several seeds: mean ± sample deviation."
    notes = (f"Ours: split {split!r} of each task. {spread}", *table.notes, UNKNOWN)
    return _sheet(table.title, (*table.shares.values(), *figures, *average), lines, notes)


def paper_scores(run: Evaluated) -> dict[tuple[str, str], float]:
    """The paper's figures of the row that a run is, by task and metric, and their mean under ("", "")."""
    fitting = [(table, row) for table in TABLES.values() for row in table.rows if _fits(table, row, Group([run]))]
    found: dict[tuple[str, str], float] = {}
    for table, row in fitting[:1]:
        headings = {(one.task, one.metric): one.of(DEFAULT_VARIANT).heading for one in table.figures}
        headings[("", "")] = table.averaged
        found = {key: row.scores[heading] for key, heading in headings.items() if heading in row.scores}
    return found


def _lines(
    rows: Iterable[PaperRow],
    groups: Sequence[Group],
    paper: Callable[[PaperRow], list[Line]],
    ours: Callable[[Group, str], Line],
    fits: Callable[[PaperRow, Group], bool],
    label: Callable[[Group], str],
) -> list[Line]:
    lines: list[Line] = []
    left = list(groups)
    for row in rows:
        own = [group for group in left if fits(row, group)]
        left = [group for group in left if group not in own]
        lines += [*paper(row), *([ours(group, row.title) for group in own] or [Line(row.title, OURS, {})])]
    return lines + [ours(group, label(group)) for group in left]


def _with_variants(columns: Sequence[Column], runs: Iterable[Evaluated]) -> tuple[Column, ...]:
    """First the columns that have a variant, once for each that a run was scored by, then the others."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for task, report in run.reports.items():
            found.setdefault(task, {})[str(report.get("variant") or DEFAULT_VARIANT)] = None
    varied = [column for column in columns if VARIANT in column.heading]
    names = {name: None for column in varied for name in found.get(column.task, {})} or {DEFAULT_VARIANT: None}
    variants = sorted(names, key=lambda name: (name != DEFAULT_VARIANT, name))
    return (
        *(column.of(name) for name in variants for column in varied),
        *(one for one in columns if one not in varied),
    )


def _printed(table: PaperTable, row: PaperRow, columns: Iterable[Column]) -> dict[Column, Point | None]:
    shares = {column: _known(getattr(row.printed, name)) for name, column in table.shares.items()}
    return shares | {column: _known(row.scores.get(column.heading)) for column in columns}


def _known(value: float | None) -> Point | None:
    return None if value is None else Point(value, None)


def _measured(
    table: PaperTable, group: Group, figures: Sequence[Column], average: Sequence[Column]
) -> dict[Column, Point | None]:
    shares = _shares(group.config, len(table.inputs.tasks) if group.single else 1)
    found = {column: _known(shares.get(name)) for name, column in table.shares.items()}
    found |= {column: group.point(column) for column in figures}
    return found | {column: group.average(figures) for column in average}


def _shares(config: RunConfig, runs: int) -> dict[str, float]:
    """Trained shares, and all parameters of so many runs on one T5 as a multiple of it; empty where T5 is not there."""
    try:
        counts = count(config.model, stated_inputs(config))
        whole = size_of(config.model.backbone).parameters()
    except UserError as error:
        say(f"parameters are not counted: {error}")
        return {}
    times = (counts.frozen + runs * counts.trained) / whole
    return {"share": counts.share, "share_per_task": counts.share_per_task, "times": times}


def _source(group: Group) -> str:
    seeds = len(group.by_seed)
    steps = f"{OURS}, {group.config.training.steps:,} steps"
    return f"{steps}, {seeds} seeds" if seeds > 1 else steps


def _fits(table: PaperTable, row: PaperRow, group: Group) -> bool:
    """Whether runs are the paper's row: its method and options on T5-base, its tasks, and images of their own."""
    tasks, kinds = set(table.inputs.tasks), set(group.kinds)
    same = kinds <= tasks if row.single else kinds == tasks
    return same and row.single == group.single and _is_papers(row, group.config)


def _is_papers(row: PaperRow, config: RunConfig) -> bool:
    same = _options(config.model) == _options(row.spec)
    return same and _on_papers_backbone(config.model) and not _peculiar(config)


def _peculiar(config: RunConfig) -> list[str]:
    """What no run of the paper's tables has."""
    found = [f"{' and '.join(config.model.tune)} alone"] if config.model.tune is not None else []
    found += [f"begun with {Path(config.start).name}"] if config.start is not None else []
    found += [f"{entry.shots} examples" for entry in config.tasks.values() if entry.shots is not None][:1]
    return found + (["mismatched images"] if config.features.mismatched else [])


def _options(spec: ModelSpec) -> dict[str, object]:
    return spec.model_dump(exclude=set(PLACES))


def _on_papers_backbone(spec: ModelSpec) -> bool:
    try:
        return size_of(spec.backbone) == KNOWN[BACKBONE]
    except UserError:
        return False


def _label(table: PaperTable, group: Group) -> str:
    """What runs are that the paper has not: the method, and what tells them from the paper's runs of it."""
    config, spec = group.config, group.config.model
    title = f"{METHODS[spec.method].title}{SINGLE if group.single else _tasks_of(table, group)}"
    reference = next((row.spec for row in table.rows if row.method == spec.method), None)
    options = {} if reference is None else _options(reference)
    own = [f"{key} {value}" for key, value in _options(spec).items() if key in options and options[key] != value]
    own += _peculiar(config)
    if not _on_papers_backbone(spec):
        own.append(f"on {_name_of(spec)}")
    if METHODS[spec.method].images == "none" and any(TASKS[kind].sees_image for kind in group.kinds):
        own.append("sees no image")
    return f"{title} ({', '.join(own)})" if own else title


def _tasks_of(table: PaperTable, group: Group) -> str:
    """The tasks of runs as far as they are not the table's."""
    more = [kind for kind in group.kinds if kind not in table.inputs.tasks]
    if len(group.kinds) - len(more) < len(table.inputs.tasks):
        return f" on {', '.join(group.kinds)}"
    return f" with {some(more)}" if more else ""


def _name_of(spec: ModelSpec) -> str:
    return Path(spec.backbone).name if isinstance(spec.backbone, str) else "a T5 from a config"


# Table 3.

COUNTED = ("trained", "share", "share_per_task", "times")
COLUMNS = tuple(map(Column, ("trained", "% of the whole", "% per task", "× T5")))


def parameters(tables: Iterable[PaperTable], runs: Sequence[Evaluated]) -> Sheet:
    """Table 3: what the paper's formulas and tables say of each method, what is built, and each of our runs."""
    lines: list[Line] = []
    left = [Group([run]) for run in runs]
    tables = list(tables)
    for table in tables:
        fits = [(row, group) for row in table.rows for group in left if _fits(table, row, group)]
        for row in table.rows:
            own = [group for one, group in fits if one is row]
            lines += [*_paper_counts(table, row), *(_own_counts(row.title, group) for group in own)]
            left = [group for group in left if group not in own]
    for group in left:
        table = next((one for one in tables if set(group.kinds) <= set(one.inputs.tasks)), tables[0])
        lines.append(_own_counts(_label(table, group), group))
    notes = (
        "built: for the eight tasks of GLUE or the four with images; of a run for each task, one (× T5: all).",
        UNKNOWN,
    )
    contradictions = tuple(dict.fromkeys(note for table in tables for note in table.notes if "%" in note))
    return _sheet("Table 3: parameters", COLUMNS, lines, (*notes, *contradictions))


def _paper_counts(table: PaperTable, row: PaperRow) -> list[Line]:
    inputs = table.inputs.model_copy(update={"tasks": table.inputs.tasks[:1]}) if row.single else table.inputs
    counts = count(row.spec, inputs)
    runs = len(table.inputs.tasks) if row.single else 1
    found = []
    if row.method in FORMULAS and not row.single:
        formula = counts.trained - sum(left_out(row.spec, inputs).values())
        found.append(Line(row.title, "paper, formula", {COLUMNS[0]: _known(formula)}))
    printed = {column: _known(value) for column, value in zip(COLUMNS[1:], row.printed, strict=True)}
    whole = (counts.frozen + runs * counts.trained) / KNOWN[BACKBONE].parameters()
    built = _counted(counts, whole)
    return [*found, Line(row.title, PAPER, printed), Line(row.title, "built", built)]


def _own_counts(title: str, group: Group) -> Line:
    config, [run] = group.config, group.runs
    counts = count(config.model, stated_inputs(config))
    return Line(title, str(run.folder), _counted(counts, counts.total / size_of(config.model.backbone).parameters()))


def _counted(counts: Counts, times: float) -> dict[Column, Point | None]:
    values = (counts.trained, counts.share, counts.share_per_task, times)
    return {column: _known(value) for column, value in zip(COLUMNS, values, strict=True)}


# As texts.


def _sheet(title: str, columns: Sequence[Column], lines: Sequence[Line], notes: Sequence[str]) -> Sheet:
    headings = list(dict.fromkeys(column.heading for column in columns))
    cells = {heading: [column for column in columns if column.heading == heading] for heading in headings}
    rows = [
        (line.method, line.source, *(_cell([line.figures.get(one) for one in cells[heading]]) for heading in headings))
        for line in lines
    ]
    fields = ["method", "source"]
    fields += [field for column in columns for field in (column.field, f"{column.field} deviation")]
    records = [(line.method, line.source, *_numbers(line, columns)) for line in lines]
    return Sheet(title, ("method", "source", *headings), rows, fields, records, notes)


def _numbers(line: Line, columns: Iterable[Column]) -> list[float | None]:
    points = [line.figures.get(column) for column in columns]
    return [number for one in points for number in (one or (None, None))]


def _cell(points: Sequence[Point | None]) -> str:
    if not any(points):
        return ""
    return " / ".join("–" if one is None else _text(one) for one in points)


def _text(one: Point) -> str:
    mean = f"{one.mean:,}" if isinstance(one.mean, int) else _rounded(one.mean)
    return mean if one.deviation is None else f"{mean} ± {_rounded(one.deviation)}"


def _rounded(value: float) -> str:
    """Two decimals, half up as people round: 87.085 is 87.09."""
    return str(Decimal(repr(float(value))).quantize(Decimal("0.01"), ROUND_HALF_UP))
