"""Run a program: an error is one line on standard error and an exit code, a traceback only with `--debug`."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import typer

from vlhyper.errors import JobError, UserError
from vlhyper.launcher import launched

# Newer releases of typer contain a copy of click; this finds the usage error of either.
UsageError: Any = typer.BadParameter.__base__
# What to install for a library that is missing. Scoring a parquet file needs pyarrow alone, not torch and the others.
PACKAGES = {
    "pyarrow": "pyarrow",
    "gradio": "'vlhyper[serve]'",
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
    _leave_on_signals(name)
    try:
        _run(name, build, arguments)
    except KeyboardInterrupt:
        # A second Ctrl-C, in the midst of what the first one stopped.
        os._exit(130)
    except SystemExit as end:
        _flush(end)
        if end.code == 130 and threading.current_thread() is threading.main_thread():
            # While Python ends, a second Ctrl-C would show a traceback.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise


def _leave_on_signals(name: str) -> None:
    """A plain `kill`, or a closed terminal, ends as an interrupt does: child programs and temporary files go."""

    def leave(number: int, frame: FrameType | None) -> None:
        print(f"{name}: stopped by {signal.Signals(number).name}", file=sys.stderr)
        raise SystemExit(128 + number)

    # A rank may wait for others within a library, where no handler runs; its launcher ends it.
    for each in () if launched() else ("SIGTERM", "SIGHUP", "SIGQUIT"):
        # Only a program's main thread may say what a signal does, and not every system has all of them.
        with contextlib.suppress(ValueError, AttributeError):
            number = getattr(signal, each)
            # What the caller has ignored, as nohup has the hangup, stays so.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, leave)


def _flush(end: SystemExit) -> None:
    """A pipe that its reader has closed, such as `| head`, ends a program quietly."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        end.code = end.code or 128 + 13


def _run(name: str, build: Callable[[], typer.Typer], arguments: Sequence[str]) -> None:
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
