"""`vlhyper report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; the others are compared with the first.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="The page; RUN/report.html unless given.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split whose scores and predictions are shown.")] = "test",
    images: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="Pictures; may be given several times.")
    ] = None,
) -> None:
    """Show runs on one page: scores, curves, costs, and behind every number its samples.

    Example: vlhyper report runs/first runs/blind --images coco/val2014 --out both.html

    The page is one file that loads nothing. Scores and samples are those that `vlhyper evaluate` wrote. With two to
    four runs answers stand side by side on the same items; of more, scores and costs are shown.
    """
    from vlhyper.files import check_output
    from vlhyper.report.runs import write_run_report

    path = out or runs[0] / "report.html"
    check_output(path, "--out", {"RUN": str(runs[0] / "config.yaml")})
    write_run_report(path, runs, split, images or [])
