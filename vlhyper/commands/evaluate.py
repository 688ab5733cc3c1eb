"""`vlhyper evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Overrides, complete_task


def command(
    run: Annotated[Path, typer.Argument(help="Run folder written by `vlhyper train`.")],
    overrides: Overrides = None,
    split: Annotated[str, typer.Option(help="Split to evaluate.")] = "test",
    task: Annotated[
        str | None, typer.Option(help="Evaluate only this task of the run.", autocompletion=complete_task)
    ] = None,
    submission: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the files of test servers, checked, into this folder.")
    ] = None,
    confidence: Annotated[bool, typer.Option("--confidence", help="Add 95 % bootstrap intervals.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show the scores of every type as well.")] = False,
    chat: Annotated[
        bool, typer.Option("--chat", help="Beside the official scores, those of the short answers in sentences.")
    ] = False,
) -> None:
    """Answer a split with a trained model, write predictions in the official formats, score them.

    Example: vlhyper evaluate runs/first --split test

    Files that were moved, or another data set: vlhyper evaluate runs/first features.files=[coco.h5]

    For a test server: vlhyper evaluate runs/first --split test-std --task vqa --submission uploads
    """
    from vlhyper.metrics.report import SENTENCES, flatten
    from vlhyper.run.config import load_run
    from vlhyper.run.memory import keep_freed_memory
    from vlhyper.run.tasks import resolve
    from vlhyper.show.tables import filled, interval, print_table

    # Importing torch takes seconds: what the run folder lacks is said before.
    resolved = resolve(load_run(run, overrides or []))
    from vlhyper.run.evaluate import evaluate_run, mean_of

    keep_freed_memory()
    reports = evaluate_run(resolved, run, split, task, submission=submission, confidence=confidence, chat=chat)
    rows: list[tuple[object, ...]] = []
    for name, report in reports.items():
        of = f"{report.n} of {report.total}"
        intervals = dict(flatten(report.extra["confidence"]["intervals"])) if confidence else {}
        short = report.of_sentences()
        for path, value in report.flat():
            if full or len(path) == 1:
                rows.append((name, " / ".join(path), value, interval(intervals.get(path)), of, short.get(path, "")))
    mean = mean_of(resolved, reports)
    if mean is not None and len(reports) > 1:
        rows.append(("all", "mean", mean, "", "", ""))
    if rows:
        columns = ("task", "metric", "score", "95 % interval", "scored", SENTENCES)
        # Intervals are not always asked for, and not every task has answers that can be sentences.
        print_table(*filled(columns, rows), title=f"{run}, split {split}")
    for name, report in reports.items():
        for note in report.notes:
            typer.echo(f"{name}: note: {note}", err=True)
        for metric, why in report.skipped.items():
            if full or "/" not in metric:
                typer.echo(f"{name}: {metric} was skipped: {why}", err=True)
