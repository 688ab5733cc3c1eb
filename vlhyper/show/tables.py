"""Tables for a terminal, a log or a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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
        table.add_row(*(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row))
    # Without a terminal rich assumes 80 columns and wraps; a log or a pipe gets the full width.
    console = Console()
    wide = Console(width=console.width if console.is_terminal else 160)
    if title:
        # rich wraps a table's own title at the table's width.
        wide.print(title, soft_wrap=True, highlight=False, markup=False)
    wide.print(table)
