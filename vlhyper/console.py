"""The progress of long work: a bar on a terminal, plain lines elsewhere.

All of this goes to standard error, so that `--json` output can be piped.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")


class Bar(Protocol):
    def __call__(self, done: int = 1, note: str = "") -> None:
        """Report `done` more finished units; `note` replaces the text after the bar."""


# Where `say` writes in place of standard error.
_file: TextIO | None = None


def say(text: str) -> None:
    """Print one line for the user to standard error."""
    # A closed standard error is None, and print would then use standard output.
    if (file := _file or sys.stderr) is not None:
        print(text, file=file, flush=True)


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Add what is said, and the lines of plain bars, to the file `path` in the meantime; bars on a terminal stay."""
    global _file
    path.parent.mkdir(parents=True, exist_ok=True)
    before = _file
    with path.open("a", encoding="utf-8") as _file:
        try:
            yield
        finally:
            _file = before


@contextmanager
def progress(label: str, total: int | None, unit: str = "", start: int = 0, every: float = 10.0) -> Iterator[Bar]:
    """Show a bar over `total` units, `start` of them done; without a terminal print a line every `every` seconds."""
    if os.environ.get("RANK", "0") != "0":
        # Of several processes under one launcher only the first shows progress.
        yield lambda done=1, note="": None
        return
    # While a bar is shown, standard error is rich's own stream, which before rich 15 says it is not a terminal.
    maker = _rich_bar if _display is not None or (sys.stderr is not None and sys.stderr.isatty()) else _plain_bar
    with maker(label, total, unit, start, every) as bar:
        yield bar


def tracked(items: Iterable[Item], label: str, total: int | None = None, unit: str = "") -> Iterator[Item]:
    """Iterate over `items` and show a bar."""
    size = total if total is not None else len(items) if isinstance(items, Sequence) else None
    with progress(label, size, unit) as bar:
        for item in items:
            yield item
            bar()


# The display on this terminal while a bar is shown; two displays would overwrite each other.
_display: Progress | None = None


@contextmanager
def _rich_bar(label: str, total: int | None, unit: str, start: int, every: float) -> Iterator[Bar]:
    nested = _display is not None
    with _shared_display() as display:
        task = display.add_task(label, total=total, completed=start, unit=unit, note="")

        def bar(done: int = 1, note: str = "") -> None:
            display.advance(task, done)
            if note:
                display.update(task, note=note)

        try:
            yield bar
        finally:
            if nested:
                # The bar of a subtask disappears at its end; the bar of the whole stays.
                display.remove_task(task)


@contextmanager
def _shared_display() -> Iterator[Progress]:
    """The display of the surrounding work, or a new one."""
    global _display
    if _display is not None:
        yield _display
        return
    with _new_display() as _display:
        try:
            yield _display
        finally:
            _display = None


def _new_display() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.table import Column
    from rich.text import Text

    class Note(ProgressColumn):
        def render(self, task: Task) -> Text:
            # On a narrow terminal the note is cut first; a note of two lines would move the bars up and down.
            return Text(task.fields["note"], no_wrap=True, overflow="ellipsis")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(table_column=Column(min_width=10)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[unit]}"),
        Remaining(elapsed_when_finished=True, table_column=Column(no_wrap=True)),
        Note(),
        console=Console(stderr=True),
    )


@contextmanager
def _plain_bar(label: str, total: int | None, unit: str, start: int, every: float) -> Iterator[Bar]:
    began = last = time.monotonic()
    count, text = start, ""

    def line() -> None:
        amount = f"{count}" if total is None else f"{count}/{total}"
        say(" ".join(filter(None, (f"{label}:", amount, unit, f"{time.monotonic() - began:.0f}s", text))))

    def bar(done: int = 1, note: str = "") -> None:
        nonlocal count, last, text
        count, text = count + done, note or text
        if time.monotonic() - last >= every:
            last = time.monotonic()
            line()

    yield bar
    line()
