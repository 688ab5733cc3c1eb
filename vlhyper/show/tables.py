"""Tables for a terminal, a log or a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

# Without a terminal rich assumes 80 columns and wraps; a log or a pipe gets the full width.
PIPE_WIDTH, PIPE_WIDTH_OF_FIGURES = 160, 400
# Of a column that says what a row is: its longest words are as long. Of what rich draws beside a cell.
LABEL_WIDTH, BORDER = 14, 3


def interval(edges: Sequence[float] | None) -> str:
    """A 95 % interval with one decimal, so that a table of them fits into 80 columns; empty where there is none."""
    return "" if edges is None else f"[{edges[0]:.1f}, {edges[1]:.1f}]"


def written(cell: object) -> str:
    """A cell as people read it: floats have two decimals."""
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def filled(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> tuple[list[str], list[list[object]]]:
    """A table without the columns that are empty ("" or None) in all rows."""
    body = [list(row) for row in rows]
    kept = [index for index in range(len(columns)) if any(row[index] not in ("", None) for row in body)]
    return [columns[index] for index in kept], [[row[index] for index in kept] for row in body]


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table to standard output; numbers are right-aligned, floats have two decimals."""
    from rich.console import Console
    from rich.table import Table

    body = [list(row) for row in rows]
    table = Table()
    for index, name in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in body)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        table.add_row(*map(written, row))
    console = Console()
    wide = Console(width=console.width if console.is_terminal else PIPE_WIDTH)
    if title:
        # rich wraps a table's own title at the table's width.
        wide.print(title, soft_wrap=True, highlight=False, markup=False)
    wide.print(table)


def print_figures(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, labels: int, notes: Iterable[str] = ()
) -> None:
    """Print a table of many figures to standard output, notes below.

    The first `labels` columns say what a row is; rows that follow each other with the same first text belong together,
    and the first of them alone shows it. Where a terminal is too narrow the figures come in several tables.
    """
    from rich.console import Console

    console = Console()
    wide = Console(width=console.width if console.is_terminal else PIPE_WIDTH_OF_FIGURES)
    wide.print(title, soft_wrap=True, highlight=False, markup=False)
    for block in _blocks(columns, rows, labels, wide.width):
        wide.print(_figures(columns, rows, [*range(labels), *block], labels))
    for note in notes:
        wide.print(note, highlight=False, markup=False)


def _figures(columns: Sequence[str], rows: Sequence[Sequence[str]], shown: Sequence[int], labels: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for index in shown:
        if index < labels:
            table.add_column(Text(columns[index]), min_width=LABEL_WIDTH, overflow="fold")
        else:
            table.add_column(Text(columns[index]), min_width=_width(columns, rows, index), justify="right")
    before = None
    for row in rows:
        if before not in (None, row[0]):
            table.add_section()
        first = "" if row[0] == before else row[0]
        table.add_row(*(Text(first if index == 0 else row[index]) for index in shown))
        before = row[0]
    return table


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], labels: int, width: int) -> list[list[int]]:
    """The columns of figures in parts that fit beside the labels, at least one in each."""
    room = width - labels * (LABEL_WIDTH + BORDER) - 1
    blocks: list[list[int]] = [[]]
    used = 0
    for index in range(labels, len(columns)):
        needed = _width(columns, rows, index) + BORDER
        if blocks[-1] and used + needed > room:
            blocks.append([])
            used = 0
        blocks[-1].append(index)
        used += needed
    return blocks


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]], index: int) -> int:
    """What a column of figures needs; its heading can be on several lines."""
    return max(map(len, [*columns[index].split(), *(row[index] for row in rows)]))


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]], labels: int | None = None) -> str:
    """A table as GitHub shows it, a line a row; columns behind the first `labels` have their figures on the right."""
    under = ["---" if labels is None or number < labels else "---:" for number in range(len(columns))]
    lines = [columns, under, *rows]
    cells = ([" ".join(written(cell).split()).replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def print_list(rows: Iterable[tuple[str, str]]) -> None:
    """Print names and what they are, a name a line; on a terminal a description is wrapped beside its name."""
    found = list(rows)
    indent = 2 + max((len(name) for name, _ in found), default=0) + 2
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for name, text in found:
        head, rest = f"  {name}".ljust(indent), " " * indent
        print(textwrap.fill(text, max(width, indent + 20), initial_indent=head, subsequent_indent=rest))
