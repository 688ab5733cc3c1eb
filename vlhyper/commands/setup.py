"""`vlhyper setup`."""

from __future__ import annotations

from typing import Annotated

import typer

command = typer.Typer(no_args_is_help=True)


@command.callback()
def setup() -> None:
    """Download what is not part of the package.

    Example: vlhyper setup spice
    """


@command.command("spice")
def setup_spice(
    repository: Annotated[
        str | None, typer.Option(metavar="URL", help="Mirror to download from instead of Maven Central.")
    ] = None,
) -> None:
    """Download what SPICE needs: Stanford CoreNLP 3.6.0 with its models (385 MB) and Rhino.

    Example: vlhyper setup spice

    Checksums are verified, and an interrupted download continues. The files are written to $VLHYPER_CORENLP if it is
    set, else to the user's cache folder.
    """
    from vlhyper.console import say
    from vlhyper.metrics.captions.spice import parser_folder
    from vlhyper.metrics.java.fetching import SPICE_JARS, fetch_jars

    folder = parser_folder()
    fetch_jars(SPICE_JARS, folder, repository)
    say(f"SPICE is ready: {folder}")
