"""Arguments that several commands take."""

from __future__ import annotations

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
