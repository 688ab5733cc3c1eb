"""Arguments that several commands take, and what the shell offers for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        help="Values that replace those of the config. Relative paths are resolved from the current directory; in the "
        "config file, from its folder.",
        metavar="KEY.SUB=VALUE",
    ),
]


def complete_config(incomplete: str) -> Iterator[str]:
    """The user's own files, then the configs that come with vlhyper."""
    from vlhyper.shipped import shipped

    folder, begun = os.path.split(incomplete)
    before = incomplete.removesuffix(begun)
    yield from sorted(before + file.name for file in Path(folder).glob("*.yaml") if file.name.startswith(begun))
    yield from (file.name for file in shipped("configs") if file.name.startswith(incomplete))


def complete_shipped(incomplete: str) -> Iterator[str]:
    """The configs and manifests that come with vlhyper."""
    from vlhyper.shipped import shipped

    files = (file for kind in ("configs", "data") for file in shipped(kind))
    yield from (file.name for file in files if file.name.startswith(incomplete))


def complete_task(incomplete: str) -> Iterator[str]:
    """The names of tasks."""
    from vlhyper.tasks import TASKS

    yield from (name for name in TASKS if name.startswith(incomplete))


def complete_scorer(incomplete: str) -> Iterator[str]:
    """The names of scorers."""
    from vlhyper.scoring.scorers import SCORERS

    yield from (name for name in SCORERS if name.startswith(incomplete))


def complete_method(incomplete: str) -> Iterator[str]:
    """The names of methods."""
    from vlhyper.model.methods import METHODS

    yield from (name for name in METHODS if name.startswith(incomplete))


CONFIG_HELP = "Config file of a run, or the name of one that comes with vlhyper."
Config = Annotated[Path, typer.Argument(help=CONFIG_HELP, autocompletion=complete_config)]
