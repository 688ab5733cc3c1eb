"""The command `vlhyper setup`: brings what cannot come with the package."""

from __future__ import annotations

from typing import Annotated

import typer

command = typer.Typer(help="Bring what cannot come with the package.", no_args_is_help=True)


@command.callback()
def setup() -> None:
    """Bring what cannot come with the package."""


@command.command("spice")
def setup_spice(
    repository: Annotated[
        str | None, typer.Option(metavar="URL", help="A mirror to fetch from instead of Maven Central.")
    ] = None,
) -> None:
    """Fetch what SPICE needs: Stanford CoreNLP 3.6.0 with its models (385 MB) and Rhino, checked and resumed.

    The files go to $VLHYPER_CORENLP if it is set, else to the user's cache folder. Example: vlhyper setup spice
    """
    from vlhyper.console import say
    from vlhyper.metrics.captions.spice import parser_folder
    from vlhyper.metrics.java.fetching import SPICE_JARS, fetch_jars

    folder = parser_folder()
    fetch_jars(SPICE_JARS, folder, repository)
    say(f"SPICE is ready: {folder}")
