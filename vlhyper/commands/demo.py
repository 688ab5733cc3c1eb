"""`vlhyper demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    out: Annotated[Path, typer.Option(help="Folder for all files of the demo.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Random seed of the world and of training.")] = 0,
    level: Annotated[
        str, typer.Option(help="easy: 1-3 objects per picture; hard: 2-4, and questions such as `left of`.")
    ] = "easy",
) -> None:
    """Do the whole job on a miniature world, offline: draw, extract, train, evaluate.

    Example: vlhyper demo --out demo

    Trains the model and a blind control, which gets wrong images, and tunes both on a few examples of new tasks. Takes
    minutes on two cores. Scores are written to demo.json, pictures with answers to demo.png, few-shot scores to
    fewshot.png.
    """
    from vlhyper.demo import run_demo

    run_demo(out, seed, level)
