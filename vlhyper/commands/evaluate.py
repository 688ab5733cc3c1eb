"""`vlhyper evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="Run folder of `vlhyper train`.")],
    split: Annotated[str, typer.Option(help="Split of the tasks' manifests.")] = "test",
    task: Annotated[str | None, typer.Option(help="Only this task of the run.")] = None,
) -> None:
    """Answer a split with a trained model, write the predictions in the official formats, and score them.

    Example: vlhyper evaluate runs/first --split test
    """
    from vlhyper.run.evaluate import evaluate_run
    from vlhyper.show.tables import print_table

    reports = evaluate_run(run, split, task)
    rows = [
        (name, figure, value)
        for name, report in reports.items()
        for figure, value in report.metrics.items()
        if isinstance(value, float)
    ]
    if rows:
        print_table(("task", "metric", "score"), rows, title=f"{run}, split {split}")
    for name, report in reports.items():
        for figure, why in report.skipped.items():
            typer.echo(f"{name}: {figure} was skipped: {why}", err=True)
