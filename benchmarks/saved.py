"""Tables of the benchmarks: shown, and with `--save` kept in benchmarks/figures, where the documentation shows them."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlhyper.files import write_text
from vlhyper.show.tables import markdown, print_table

FOLDER = Path(__file__).parent / "figures"


def show(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str, save: bool) -> None:
    """Print a table; with `save` write it to `FOLDER/name.md` too, with its title and the machine below."""
    body = [list(row) for row in rows]
    print_table(columns, body, title=title)
    if save:
        FOLDER.mkdir(exist_ok=True)
        machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, no GPU"
        texts = sum(isinstance(cell, str) for cell in body[0])
        write_text(FOLDER / f"{name}.md", f"{markdown(columns, body, texts)}\n{title}; {machine}.\n")
