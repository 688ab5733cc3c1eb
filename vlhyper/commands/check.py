"""`vlhyper check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Overrides


def command(
    config: Annotated[Path, typer.Argument(help="Config file of a run.")],
    overrides: Overrides = None,
) -> None:
    """Read every file a run needs and report what is missing or wrong, before any training.

    Example: vlhyper check configs/vl/vl_hyperpelt.yaml
    """
    from vlhyper.console import say
    from vlhyper.run.check import problems
    from vlhyper.run.config import load_config

    found = list(problems(load_config(config, overrides or []), typer.echo))
    for problem in found:
        say(f"vlhyper: {problem}")
    if found:
        raise typer.Exit(2)
    typer.echo("nothing is missing")
