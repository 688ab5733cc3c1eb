"""`vlhyper train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Config, Overrides


def command(
    config: Config,
    out: Annotated[Path, typer.Option(help="Run folder; an unfinished run of the same config in it is continued.")],
    overrides: Overrides = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="Start from the trained weights of this run folder or hub id."),
    ] = None,
) -> None:
    """Train one model on all tasks of a config.

    Example: vlhyper train vl_hyperpelt --out runs/first

    Any key of the config can be replaced: vlhyper train CONFIG training.steps=1000 --out RUN

    Another run's weights as a start: vlhyper train CONFIG --from runs/first --out runs/second. Steps and optimiser
    start anew, rows of tasks are matched by name.

    On several GPUs or machines: accelerate launch -m vlhyper train CONFIG --out RUN (or torchrun).
    """
    import json

    from vlhyper.run.config import load_config
    from vlhyper.run.memory import keep_freed_memory
    from vlhyper.run.start import begun, check_start
    from vlhyper.run.tasks import resolve

    chosen = [*(overrides or []), *([f"start={json.dumps(from_)}"] if from_ is not None else [])]
    # Importing torch takes seconds: what the config lacks is said before.
    run = resolve(load_config(config, chosen))
    if not begun(out):
        check_start(run)
    from vlhyper.run.train import train

    keep_freed_memory()
    train(run, out)
