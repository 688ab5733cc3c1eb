"""The program `vlhyper`: finds the commands and turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

import typer

import vlhyper
import vlhyper.commands
from vlhyper.errors import JobError, UserError

# Newer releases of typer bring click's errors along; this is the one for usage of whichever typer has.
UsageError: Any = typer.BadParameter.__base__
EPILOG = "Errors are one line on standard error; add --debug to any command for the traceback."


def build_app() -> typer.Typer:
    """Every function `vlhyper.commands.NAME:command` and every entry point of the group `vlhyper.commands`."""
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
    }
    found.update({entry.name: entry.load() for entry in entry_points(group="vlhyper.commands")})
    for name, command in sorted(found.items()):
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, no_args_is_help=False)
        else:
            app.command(name)(command)
    return app


def run(arguments: Sequence[str]) -> int | None:
    """Run one command in this process, with errors left as exceptions; gives the exit code a command asked for."""
    code: int | None = typer.main.get_command(build_app()).main(list(arguments), "vlhyper", standalone_mode=False)
    return code


def main() -> None:
    """Entry point: exit code 0, 1 (the job failed) or 2 (usage or input)."""
    # Errors are one line of ours: what libraries log on the way to one (retries without a network) would bury it.
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY", "DATASETS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    # Data workers fork after the tokenizer has run; its own threads would be lost there.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks costs no table.
            stream.reconfigure(errors="backslashreplace")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    command = typer.main.get_command(build_app())
    try:
        # Gives the code of a typer.Exit, 130 where the user pressed Ctrl-C.
        sys.exit(command.main(arguments or ["--help"], prog_name="vlhyper", standalone_mode=False))
    except UsageError as error:
        print(_usage_line(error), file=sys.stderr)
        sys.exit(2)
    except (UserError, JobError, ModuleNotFoundError, OSError, MemoryError) as error:
        if debug:
            raise
        print(f"vlhyper: {_one_line(error)}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UserError | ModuleNotFoundError) else 1)
    except Exception as error:
        if debug:
            raise
        print(f"vlhyper: {type(error).__name__}: {_one_line(error)}; run it again with --debug", file=sys.stderr)
        sys.exit(1)


def _usage_line(error: Any) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if error.ctx else "vlhyper"
    return f"vlhyper: {message[:1].lower()}{message[1:]}; {path} --help shows what it takes"


def _one_line(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        # Scoring a parquet file takes one library more, not torch and all.
        package = "pyarrow" if error.name == "pyarrow" else "'vlhyper[model]'"
        return f"this command needs {error.name}, which is not installed: pip install {package}"
    return " ".join(str(error).split()) or type(error).__name__
