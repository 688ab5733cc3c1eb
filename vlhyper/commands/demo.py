"""`vlhyper demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of world and training.")] = 0,
    level: Annotated[str, typer.Option(help="easy: 1-3 things a picture; hard: 2-4 and left-of questions.")] = "easy",
) -> None:
    """See the whole job on a miniature world, offline: draw, extract, train, evaluate, beside a blind control.

    Example: vlhyper demo --out demo

    Takes minutes on two cores. Scores go to demo.json, pictures with answers to demo.png.
    """
    from vlhyper.demo import run_demo

    run_demo(out, seed, level)
