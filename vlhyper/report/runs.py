"""The page of `vlhyper report`: one run, two side by side, or the costs of many. No torch."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlhyper.console import say
from vlhyper.errors import UserError, first_few
from vlhyper.metrics.report import Report
from vlhyper.readers import load_rows
from vlhyper.report.drawing import Series, plot, short
from vlhyper.report.folder import Trained, read_runs
from vlhyper.report.page import Detail, Page, Plot, write_page
from vlhyper.report.parts import Cell, Figure, Section
from vlhyper.report.pictures import Pictures
from vlhyper.report.section import figures_alone, make_section
from vlhyper.run.config import task_of
from vlhyper.run.tasks import RunTask, resolve_task
from vlhyper.scoring.predictions import read_predictions
from vlhyper.scoring.truth import find_truth, prediction_file

# Of more runs the page shows scores and costs: nobody compares the answers of ten systems one by one.
MOST_SIDE_BY_SIDE = 4
# Of captions: the scorers that are run again for intervals and samples. SPICE takes minutes, its score is known.
CAPTION_SCORERS = {"BLEU-4": "bleu", "METEOR": "meteor", "ROUGE-L": "rouge", "CIDEr": "cider"}
SLOW = ("SPICE",)


def write_run_report(
    path: str | Path, folders: Sequence[Path], split: str = "test", images: Sequence[str | Path] = ()
) -> None:
    """Write the page of these run folders.

    Args:
        split: whose scores and predictions are shown, as `vlhyper evaluate` wrote them.
        images: folders with the pictures.

    Raises UserError for a folder that holds no run. Where files of the data are lacking, the page says so and shows the
    scores without samples.
    """
    pictures = Pictures(images)
    runs = read_runs(folders, split)
    names = list(dict.fromkeys(name for run in runs for name in run.config.tasks))
    made = [one for name in names if (one := _section(name, runs, split, pictures)) is not None]
    sections, files = [_beside_paper(section, runs) for section, _ in made], [found for _, found in made]
    notes = [_unscored(run, split) for run in runs if not run.scores]
    if len(runs) > MOST_SIDE_BY_SIDE:
        notes.append(f"Samples are shown of at most {MOST_SIDE_BY_SIDE} runs; give fewer to see them side by side.")
    if mean := _mean(runs):
        sections, files = [mean, *sections], [{}, *files]
    page = Page(
        title=" and ".join(run.name for run in runs) if len(runs) < 3 else f"{len(runs)} runs",
        sections=sections,
        files=files,
        commands=_commands(path, runs, split, images),
        curves=_curves(runs),
        costs=_costs(runs),
        runs=[(run.name, run.facts) for run in runs],
        details=[detail for run in runs for detail in _details(run)],
        notes=notes,
    )
    write_page(path, page)


def _unscored(run: Trained, split: str) -> str:
    return f"{run.name} has no scores of {split} yet; make them with: vlhyper evaluate {run.folder} --split {split}"


def _mean(runs: Sequence[Trained]) -> Section | None:
    """The mean of the metrics that stand for the tasks, where runs have them all."""
    means = {run.name: run.main_scores["mean"] for run in runs if "mean" in run.main_scores}
    if not means:
        return None
    figure = Figure(("mean",), means, {}, {}, Cell(0, []))
    return _beside_paper(Section("all", "all tasks", [run.name for run in runs], [figure]), runs)


def _beside_paper(section: Section, runs: Sequence[Trained]) -> Section:
    """The section with what the paper prints of the first run that is a row of its tables."""
    run = next((run for run in runs if run.paper), None)
    if run is None:
        return section
    task = task_of(run.config, section.name).name if section.name in run.config.tasks else ""
    figures = [
        replace(one, paper=f"{value:.2f}") if (value := run.paper.get((task, one.path[0] * bool(task)))) else one
        for one in section.figures
    ]
    return replace(section, figures=figures)


def _section(
    name: str, runs: Sequence[Trained], split: str, pictures: Pictures
) -> tuple[Section, Mapping[str, Path]] | None:
    """One task, with its samples where the data is there; None where no run has a score of it."""
    scored = {run.name: run.scores[name] for run in runs if name in run.scores}
    answering = [run for run in runs if name in run.config.tasks and _predictions(run, name, split).is_file()]
    try:
        if answering and len(runs) <= MOST_SIDE_BY_SIDE and (made := _with_samples(name, answering, split, pictures)):
            return made
        missing = ""
    except UserError as error:
        say(f"{name}: samples are left out: {error}")
        missing = f"Samples are left out: {error}"
    return (figures_alone(name, scored, missing), {}) if scored else None


def _predictions(run: Trained, name: str, split: str) -> Path:
    return run.folder / "predictions" / f"{name}.{split}.json"


def _with_samples(
    name: str, runs: Sequence[Trained], split: str, pictures: Pictures
) -> tuple[Section, Mapping[str, Path]] | None:
    """All runs on the items that all of them answered; None where nothing scores the task."""
    task = resolve_task(runs[0].config, name)
    own = task.split(split) or split
    rows = load_rows(task.manifest, own)
    truth = find_truth(task.kind, task.manifest, own, rows)
    if truth is None:
        return None
    form = prediction_file(task.kind)
    answers = {run.name: read_predictions(_predictions(run, name, split), form) for run in runs}
    common = set.intersection(*(set(one) for one in answers.values()))
    scorers = _caption_scorers([run.scores.get(name, {}) for run in runs])
    reports = {}
    for run in runs:
        given = {id: text for id, text in answers[run.name].items() if id in common}
        reports[run.name] = truth.score(given, metrics=scorers)
    index_of = {form.as_id(id, "id"): index for index, id in enumerate(rows["id"])}
    part = rows[[index_of[id] for id in next(iter(reports.values())).ids]]
    texts = {column: part[column] for column in task.manifest.layout.texts or task.kind.columns if column in part}
    section = make_section(name, reports, texts, part["image"], _as_scored(runs, name, scorers))
    notes = [*section.notes, *_changed(reports, runs, name, {len(one) for one in answers.values()} == {len(common)})]
    title = name if own == split else f"{name} ({own})"
    shown = list(dict.fromkeys(part["image"]))
    files = pictures.find(shown, _templates(task, own))
    notes += pictures.missed(shown, files)
    return replace(section, title=title, notes=notes), files


def _templates(task: RunTask, split: str) -> list[str]:
    return list(task.manifest.image_templates(split)) if task.kind.sees_image else []


def _caption_scorers(reports: Sequence[Mapping[str, Any]]) -> str:
    """The quick scorers whose metrics all reports have; those that need no Java where there are none."""
    had = [report.get("metrics", {}) for report in reports]
    known = [scorer for metric, scorer in CAPTION_SCORERS.items() if all(metric in one for one in had)]
    return ",".join(known or ["bleu", "cider"])


def _as_scored(runs: Sequence[Trained], name: str, scorers: str) -> dict[str, dict[str, float]]:
    """The metrics of captions that are not computed again."""
    left = {metric for metric, scorer in CAPTION_SCORERS.items() if scorer not in scorers.split(",")} | set(SLOW)
    found = {run.name: run.scores.get(name, {}).get("metrics", {}) for run in runs}
    return {run: {key: value for key, value in metrics.items() if key in left} for run, metrics in found.items()}


def _changed(reports: Mapping[str, Report], runs: Sequence[Trained], name: str, same: bool) -> list[str]:
    """What a reader of the scores must know of the items they are about."""
    if not same:
        return [f"Scored on the {next(iter(reports.values())).n:,} items that all of these runs answered."]
    old = {run.name: run.scores[name]["metrics"] for run in runs if name in run.scores}
    other = [
        run
        for run, metrics in old.items()
        if any(abs(value - metrics[key]) > 1e-6 for key, value in _single(reports[run]).items() if key in metrics)
    ]
    return [f"The scores.json of {first_few(other)} is of other predictions or data than these."] if other else []


def _single(report: Report) -> dict[str, float]:
    return {path[0]: value for path, value in report.flat() if len(path) == 1}


# Costs and curves


def _costs(runs: Sequence[Trained]) -> dict[str, list[Plot]]:
    """Of each score its plots over what a run costs, where at least two runs tell both."""
    scores = list(dict.fromkeys(name for run in runs for name in run.main_scores))
    found = {score: [one for axis in AXES if (one := _cost(runs, score, *axis)) is not None] for score in scores}
    return {score: plots for score, plots in found.items() if plots}


AXES: tuple[tuple[str, Callable[[Trained], float | None]], ...] = (
    ("trained parameters", lambda run: float(run.counts.trained)),
    ("seconds per step", lambda run: run.seconds),
    ("memory in MB", lambda run: run.memory),
)


def _cost(runs: Sequence[Trained], score: str, label: str, cost: Callable[[Trained], float | None]) -> Plot | None:
    points = {
        run.name: (number, value, run.main_scores[score])
        for number, run in enumerate(runs)
        if score in run.main_scores and (value := cost(run)) is not None
    }
    if len(points) < 2:
        return None
    series = [Series(name, [(x, y)], number, joined=False) for name, (number, x, y) in points.items()]
    best = frontier([(x, y) for _, x, y in points.values()])
    frame = [Series("best for its cost", best, 6, marked=False)] if len(best) > 1 else []
    svg = plot([*frame, *series], f"{score} over {label}", label, score, log=label == "trained parameters")
    rows = [(name, f"{x:,.4g}" if x < 1000 else f"{x:,.0f}", f"{y:.2f}") for name, (_, x, y) in points.items()]
    return Plot(f"{score} over {label}", svg, ("run", label, score), rows)


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no cheaper one reaches, as (cost, score), the cheapest first."""
    best: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or score > best[-1][1]:
            best.append((cost, score))
    return best


def _curves(runs: Sequence[Trained]) -> dict[str, list[Plot]]:
    courses = [run.course() for run in runs]
    found: dict[str, list[Plot]] = {}
    for task in dict.fromkeys(task for course in courses for task in course):
        for what in dict.fromkeys(what for course in courses for what in course.get(task, {})):
            series = [
                Series(run.name, points, number)
                for number, (run, course) in enumerate(zip(runs, courses, strict=True))
                if (points := course.get(task, {}).get(what))
            ]
            svg = plot(series, f"{task}, {what}", "step", what)
            rows = [(one.label, f"{x:,.0f}", short(y)) for one in series for x, y in one.shorter().points]
            found.setdefault(task, []).append(Plot(what, svg, ("run", "step", what), rows))
    # The mean of all tasks is what a run is chosen by.
    return {task: found[task] for task in sorted(found, key=lambda task: task != "all tasks")}


# How to run it again


def _commands(path: str | Path, runs: Sequence[Trained], split: str, images: Sequence[str | Path]) -> list[str]:
    folders = [str(run.folder) for run in runs]
    commands = []
    for run in runs:
        again = f"{run.folder}_again"
        commands.append(shlex.join(["vlhyper", "train", str(run.folder / "config.yaml"), "--out", again]))
        commands.append(shlex.join(["vlhyper", "evaluate", again, "--split", split]))
    more = [part for folder in images for part in ("--images", str(folder))]
    commands.append(shlex.join(["vlhyper", "report", *folders, "--split", split, *more, "--out", str(path)]))
    return commands


def _details(run: Trained) -> list[Detail]:
    counts = run.counts
    rows = [(part, f"{number:,}") for part, number in counts.parts.items()]
    rows += [("trained", f"{counts.trained:,}"), ("frozen", f"{counts.frozen:,}"), ("total", f"{counts.total:,}")]
    config = (run.folder / "config.yaml").read_text(encoding="utf-8")
    return [Detail(f"{run.name}: parameters, part by part", rows), Detail(f"{run.name}: config.yaml", text=config)]
