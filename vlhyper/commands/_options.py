"""Arguments that several commands take, and what the shell offers for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        help="Values that replace those of the config. Relative paths are resolved from the current directory; in the "
        "config file, from its folder.",
        metavar="KEY.SUB=VALUE",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(help="Weights of the image encoder, as for `vlhyper extract`; those of the features if left out."),
]
Encoder = Annotated[
    str | None,
    typer.Option(help="Its open_clip name or .json model config; that of the features if left out."),
]
Map = Annotated[
    Path | None,
    typer.Option("--map", metavar="OUT.png", help="Draw on the picture what the answer depended on; one image only."),
]


def complete_config(incomplete: str) -> Iterator[str]:
    """The user's own files, then the configs that come with vlhyper."""
    folder, begun = os.path.split(incomplete)
    before = incomplete.removesuffix(begun)
    yield from sorted(before + file.name for file in Path(folder).glob("*.yaml") if file.name.startswith(begun))
    yield from _names_of_shipped(incomplete, "configs")


def complete_shipped(incomplete: str) -> Iterator[str]:
    """The configs and manifests that come with vlhyper."""
    yield from _names_of_shipped(incomplete, "configs", "data")


def _names_of_shipped(incomplete: str, *kinds: Literal["configs", "data"]) -> Iterator[str]:
    """Names that begin so, or whose last part does."""
    from vlhyper.shipped import shipped

    files = [file for kind in kinds for file in shipped(kind)]
    names = [file.name for file in files]
    yield from (name for name in names if name.startswith(incomplete))
    parts = [file.path.stem for file in files]
    unlike = (part for part in parts if part not in names and parts.count(part) == 1)
    yield from (part for part in unlike if incomplete and part.startswith(incomplete))


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
