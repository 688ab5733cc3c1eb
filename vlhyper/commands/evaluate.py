"""`vlhyper evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Overrides


def command(
    run: Annotated[Path, typer.Argument(help="Run folder written by `vlhyper train`.")],
    overrides: Overrides = None,
    split: Annotated[str, typer.Option(help="Split to evaluate.")] = "test",
    task: Annotated[str | None, typer.Option(help="Evaluate only this task of the run.")] = None,
    submission: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the files of test servers, checked, into this folder.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show the scores of every type as well.")] = False,
) -> None:
    """Answer a split with a trained model, write predictions in the official formats, score them.

    Example: vlhyper evaluate runs/first --split test

    Files that were moved, or another data set: vlhyper evaluate runs/first features.files=[coco.h5]

    For a test server: vlhyper evaluate runs/first --split test-std --task vqa --submission uploads
    """
    from vlhyper.run.config import load_run
    from vlhyper.run.tasks import resolve
    from vlhyper.show.tables import print_table

    # Importing torch takes seconds: what the run folder lacks is said before.
    resolved = resolve(load_run(run, overrides or []))
    from vlhyper.run.evaluate import evaluate_run, mean_of

    reports = evaluate_run(resolved, run, split, task, submission=submission)
    rows: list[tuple[object, ...]] = []
    for name, report in reports.items():
        of = f"{report.n} of {report.total}"
        flat = [(path, value) for path, value in report.flat() if full or len(path) == 1]
        rows += [(name, " / ".join(path), value, of) for path, value in flat]
    mean = mean_of(resolved, reports)
    if mean is not None and len(reports) > 1:
        rows.append(("all", "mean", mean, ""))
    if rows:
        print_table(("task", "metric", "score", "scored"), rows, title=f"{run}, split {split}")
    for name, report in reports.items():
        for note in report.notes:
            typer.echo(f"{name}: note: {note}", err=True)
        for metric, why in report.skipped.items():
            if full or "/" not in metric:
                typer.echo(f"{name}: {metric} was skipped: {why}", err=True)
