"""`vlhyper fewshot-plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folders: Annotated[list[Path], typer.Argument(help="Folders of `vlhyper fewshot`, of any tasks and methods.")],
    out: Annotated[Path, typer.Option(help="The figure; .png and .svg are written.")] = Path("fewshot.png"),
) -> None:
    """Put few-shot results of several folders into one table and one figure, a panel for each task.

    Example: vlhyper fewshot-plot runs/first/fewshot runs/text_only/fewshot --out figure3.png
    """
    from vlhyper.fewshot.view import show

    show(folders, out)
