"""`vlhyper evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="Run folder written by `vlhyper train`.")],
    split: Annotated[str, typer.Option(help="Split to evaluate.")] = "test",
    task: Annotated[str | None, typer.Option(help="Evaluate only this task of the run.")] = None,
) -> None:
    """Answer a split with a trained model, write predictions in the official formats, score them.

    Example: vlhyper evaluate runs/first --split test
    """
    from vlhyper.run.evaluate import evaluate_run
    from vlhyper.show.tables import print_table

    reports = evaluate_run(run, split, task)
    rows = [
        (name, metric, value)
        for name, report in reports.items()
        for metric, value in report.metrics.items()
        if isinstance(value, float)
    ]
    if rows:
        print_table(("task", "metric", "score"), rows, title=f"{run}, split {split}")
    for name, report in reports.items():
        for metric, why in report.skipped.items():
            typer.echo(f"{name}: {metric} was skipped: {why}", err=True)
