"""The program `vlhyper`: finds and runs its commands."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import vlhyper
import vlhyper.commands
from vlhyper.plugins import load_plugins
from vlhyper.program import HELP_OPTIONS, run_program

EPILOG = "An error is one line on standard error; add --debug to any command to see the traceback."

# The list of commands in the order in which a newcomer meets them. One that is not here is listed under OTHERS.
GROUPS = {
    "Start": ("demo", "init", "configs", "setup", "env"),
    "Data": ("extract", "import-features", "merge", "inspect"),
    "Train": ("check", "params", "train", "evaluate", "fewshot", "compare", "freeze"),
    "Score": ("score", "table", "report", "fewshot-plot"),
    "Ask": ("ask", "caption", "serve"),
}
OTHERS = "Others"


class _Command(TyperCommand):
    """A command whose usage line leaves out hidden arguments, which typer hides in the list of arguments alone."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        shown: list[Any] = [one for one in self.get_params(ctx) if not getattr(one, "hidden", False)]
        return [self.options_metavar or "", *(piece for one in shown for piece in one.get_usage_pieces(ctx))]


class _Whole(TyperGroup):
    """A list of commands that cuts no summary off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        self._list("Commands", sorted(self.commands), formatter)

    def _list(self, title: str, names: Iterable[str], formatter: Any) -> None:
        found = {name: self.commands[name] for name in names if name in self.commands}
        width = max(map(len, self.commands), default=0)
        rows = [(name.ljust(width), summary(command.help)) for name, command in found.items() if not command.hidden]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


class _Grouped(_Whole):
    """The commands of the program by what they are for."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        known = {name for names in GROUPS.values() for name in names}
        for title, names in (*GROUPS.items(), (OTHERS, sorted(self.commands.keys() - known))):
            self._list(title, names, formatter)


def build_app() -> typer.Typer:
    """Every `command` of the files in `vlhyper.commands`.

    Plugins are loaded first, so that every command knows their rows.
    """
    load_plugins()
    app = typer.Typer(
        name="vlhyper",
        cls=_Grouped,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=f"{vlhyper.__doc__}\n\nExample: vlhyper demo --out demo",
        epilog=EPILOG,
        context_settings=HELP_OPTIONS,
    )
    app.callback()(_options)
    found = {
        module.name.replace("_", "-"): importlib.import_module(f"vlhyper.commands.{module.name}").command
        for module in pkgutil.iter_modules(vlhyper.commands.__path__)
        if not module.name.startswith("_")
    }
    for name, command in sorted(found.items()):
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, cls=_Whole, no_args_is_help=False)
        else:
            app.command(name, cls=_Command)(command)
    return app


def summary(text: str | None) -> str:
    """The first paragraph of a command's help."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vlhyper {vlhyper.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The options of the program itself."""


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
