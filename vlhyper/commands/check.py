"""`vlhyper check`."""

from __future__ import annotations

import typer

from vlhyper.commands._options import Config, Overrides


def command(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Read every file a run needs and report what is missing or wrong, before any training.

    Example: vlhyper check vl_hyperpelt
    """
    from vlhyper.console import say
    from vlhyper.run.config import load_config

    run = load_config(config, overrides or [])
    # Importing transformers takes seconds: what the config lacks is said before.
    from vlhyper.run.check import problems

    found = list(problems(run, typer.echo))
    for problem in found:
        say(f"vlhyper: {problem}")
    if found:
        raise typer.Exit(2)
    typer.echo("nothing is missing")
