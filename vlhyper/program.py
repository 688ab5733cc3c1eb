"""How a program ends: errors are one line on standard error and an exit code, a traceback only with `--debug`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from vlhyper.errors import JobError, UserError

# Newer releases of typer bring click's errors along; this is the one for usage of whichever typer has.
UsageError: Any = typer.BadParameter.__base__


def run_program(name: str, build: Callable[[], typer.Typer], arguments: Sequence[str]) -> None:
    """Run the program `name` and exit with 0, 1 (the job failed) or 2 (usage or input)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks costs no table.
            stream.reconfigure(errors="backslashreplace")
    chosen = [argument for argument in arguments if argument != "--debug"]
    debug = len(chosen) < len(arguments)
    try:
        command = typer.main.get_command(build())
        # Gives the code of a typer.Exit, 130 where the user pressed Ctrl-C.
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
        print(f"{name}: {type(error).__name__}: {_one_line(error)}; run it again with --debug", file=sys.stderr)
        sys.exit(1)


def _usage_line(name: str, error: Any) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if error.ctx else name
    return f"{name}: {message[:1].lower()}{message[1:]}; {path} --help shows what it takes"


def _one_line(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        # Scoring a parquet file takes one library more, not torch and all.
        package = "pyarrow" if error.name == "pyarrow" else "'vlhyper[model]'"
        return f"this command needs {error.name}, which is not installed: pip install {package}"
    return " ".join(str(error).split()) or type(error).__name__
