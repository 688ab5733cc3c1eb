"""Pages that mkdocs makes from the code: every command with its options, the guide, the changes, benchmarks' tables."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from vlhyper.cli import GROUPS, build_app

ROOT = Path(__file__).resolve().parents[1]
# Where a page has a table of benchmarks/figures.
FIGURES = re.compile(r"<!-- figures: (\w+) -->")
# A link to a file of the repository: on the site its path alone is shown.
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    pages = {
        "commands.md": commands_page(),
        "contributing.md": plain_links((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")),
        "changes.md": plain_links((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    return FIGURES.sub(lambda found: figures(found[1]), markdown)


def figures(name: str) -> str:
    """The table that a benchmark kept; what makes it where there is none yet."""
    path = ROOT / "benchmarks" / "figures" / f"{name}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else "*Not measured yet.*"


def plain_links(text: str) -> str:
    """The text with links to files of the repository as code."""
    return LINK.sub(lambda found: f"`{found[2]}`", text)


def commands_page() -> str:
    """Every command: its help, its arguments and options."""
    parts = ["# Commands", "`vlhyper COMMAND --help` shows the same. `--debug` shows the traceback of an error."]
    for path, command in commands(typer.main.get_command(build_app())):
        parts += [f"## vlhyper {path}", described(command.help or "")]
        rows = [row for one in command.params if (row := parameter(one))]
        if rows:
            parts.append("\n".join(["| argument or option | meaning | default |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each command by the words that lead to it, in the order of `vlhyper --help`."""
    if path:
        yield " ".join(path), command
    known = [name for names in GROUPS.values() for name in names]
    inner = getattr(command, "commands", {})
    for name in sorted(inner, key=lambda name: (known.index(name) if name in known else len(known), name)):
        yield from commands(inner[name], (*path, name))


def described(help: str) -> str:
    """Help as Markdown: lines that show a command are code."""
    paragraphs = inspect.cleandoc(help).split("\n\n")
    return "\n\n".join(_paragraph(" ".join(one.split())) for one in paragraphs)


def _paragraph(text: str) -> str:
    told, shown, command = text.partition(": vlhyper ")
    if shown and not command.rstrip().endswith("."):
        return f"{escaped(told)}:\n\n```\nvlhyper {command}\n```"
    return escaped(text)


def escaped(text: str) -> str:
    return re.sub(r"([*_<>|\[\]])", r"\\\1", text)


def parameter(one: Any) -> str:
    """A row of the table of a command; nothing for --help."""
    if one.name == "help" or getattr(one, "hidden", False):
        return ""
    argument = one.param_type_name == "argument"
    names = f"`{one.metavar or one.name.upper()}`" if argument else ", ".join(f"`{name}`" for name in one.opts)
    value = getattr(one.default, "value", one.default)
    default = "" if value is None or value is False or callable(value) else f"`{value}`"
    needed = "required" if one.required else default
    return f"| {names} | {escaped(getattr(one, 'help', None) or '')} | {needed} |"
