"""Run a program: an error is one line on standard error and an exit code, a traceback only with `--debug`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from vlhyper.errors import JobError, UserError

# Newer releases of typer contain a copy of click; this finds the usage error of either.
UsageError: Any = typer.BadParameter.__base__
# What to install for a library that is missing. Scoring a parquet file needs pyarrow alone, not torch and the others.
PACKAGES = {
    "pyarrow": "pyarrow",
    "jgo": "'vlhyper[spice]'",
    "requests": "'vlhyper[spice]'",
    "jinja2": "'vlhyper[report]'",
    "PIL": "'vlhyper[report]'",
}
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


def run_program(name: str, build: Callable[[], typer.Typer], arguments: Sequence[str]) -> None:
    """Run the program `name` and exit with 0, 1 (the job failed) or 2 (usage or input)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character outside the terminal's encoding must not stop a table.
            stream.reconfigure(errors="backslashreplace")
    chosen = [argument for argument in arguments if argument != "--debug"]
    debug = len(chosen) < len(arguments)
    try:
        command = typer.main.get_command(build())
        # Returns the code of a typer.Exit, and 130 after Ctrl-C.
        sys.exit(command.main(chosen or ["--help"], prog_name=name, standalone_mode=False))
    except UsageError as error:
        print(_usage_line(name, error), file=sys.stderr)
        sys.exit(2)
    except (UserError, JobError, ModuleNotFoundError, OSError, MemoryError) as error:
        if debug:
            raise
        print(f"{name}: {_one_line(error)}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UserError | ModuleNotFoundError) else 1)
    except Exception as error:
        if debug:
            raise
        print(
            f"{name}: {type(error).__name__}: {_one_line(error)}; run again with --debug for the traceback",
            file=sys.stderr,
        )
        sys.exit(1)


def _usage_line(name: str, error: Any) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if error.ctx else name
    return f"{name}: {message[:1].lower()}{message[1:]}; see {path} --help"


def _one_line(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        package = PACKAGES.get(error.name or "", "'vlhyper[model]'")
        return f"this command needs {error.name}, which is not installed: pip install {package}"
    return " ".join(str(error).split()) or type(error).__name__
