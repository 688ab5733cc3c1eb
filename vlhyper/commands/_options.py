"""Arguments that several commands take."""

from __future__ import annotations

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
