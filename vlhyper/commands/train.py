"""`vlhyper train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Overrides


def command(
    config: Annotated[Path, typer.Argument(help="Config file of a run.")],
    out: Annotated[Path, typer.Option(help="Run folder; an unfinished run of the same config in it is continued.")],
    overrides: Overrides = None,
) -> None:
    """Train one model on all tasks of a config.

    Example: vlhyper train configs/vl_hyperpelt.yaml --out runs/first

    Any key of the config can be replaced: vlhyper train CONFIG training.steps=1000 --out RUN

    On several GPUs or machines: accelerate launch -m vlhyper train CONFIG --out RUN (or torchrun).
    """
    from vlhyper.run.config import load_config
    from vlhyper.run.tasks import resolve

    # Importing torch takes seconds: what the config lacks is said before.
    run = resolve(load_config(config, overrides or []))
    from vlhyper.run.train import train

    train(run, out)
