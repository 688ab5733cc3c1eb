"""The program `vlhyper`: finds and runs its commands."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

import typer

import vlhyper
import vlhyper.commands
from vlhyper.plugins import load_plugins
from vlhyper.program import run_program

EPILOG = "An error is one line on standard error; add --debug to any command to see the traceback."


def build_app() -> typer.Typer:
    """Every function `vlhyper.commands.NAME:command` and every entry point of the group `vlhyper.commands`.

    Plugins are loaded first, so that every command knows their rows.
    """
    load_plugins()
    app = typer.Typer(
        name="vlhyper",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=vlhyper.__doc__,
        epilog=EPILOG,
    )
    found = {
        module.name.replace("_", "-"): importlib.import_module(f"vlhyper.commands.{module.name}").command
        for module in pkgutil.iter_modules(vlhyper.commands.__path__)
        if not module.name.startswith("_")
    }
    found.update({entry.name: entry.load() for entry in entry_points(group="vlhyper.commands")})
    for name, command in sorted(found.items()):
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, no_args_is_help=False)
        else:
            app.command(name)(command)
    return app


def run(arguments: Sequence[str]) -> int | None:
    """Run one command in this process and return its exit code; errors are raised as exceptions."""
    code: int | None = typer.main.get_command(build_app()).main(list(arguments), "vlhyper", standalone_mode=False)
    return code


def main() -> None:
    """Entry point: exit code 0, 1 (the job failed) or 2 (usage or input)."""
    # An error is one line; the log messages of libraries before it (retries without a network) would hide it.
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY", "DATASETS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    # Data workers fork after the tokenizer has run; its threads would not exist in them.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    run_program("vlhyper", build_app, sys.argv[1:])
