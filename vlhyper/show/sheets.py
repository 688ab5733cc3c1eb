"""A table in a terminal and as files: Markdown and LaTeX for people, CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vlhyper.files import write_text
from vlhyper.show.tables import markdown, print_figures

# Columns that say what a row is.
LABELS = 2
# What TeX takes for a command, and signs that its fonts may lack.
IN_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "–": "--",
}


class Sheet(NamedTuple):
    """A table: columns and rows of texts for people, fields and records of unrounded numbers for programs.

    Rows whose first texts are equal belong together. notes: sentences below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    fields: Sequence[str]
    records: Sequence[Sequence[object]]
    notes: Sequence[str] = ()


def print_sheet(sheet: Sheet) -> None:
    """Print it to standard output, its notes below."""
    print_figures(sheet.columns, sheet.rows, sheet.title, LABELS, sheet.notes)


def save_sheet(sheet: Sheet, path: Path) -> list[Path]:
    """Write `path` with the endings .md, .csv and .tex; returns the three paths."""
    paths = []
    for ending, write in WRITTEN.items():
        one = path.with_name(f"{path.name}{ending}")
        write_text(one, write(sheet))
        paths.append(one)
    return paths


def as_markdown(sheet: Sheet) -> str:
    """A heading, a table as GitHub shows it, and the notes as a list."""
    notes = "".join(f"- {note}\n" for note in sheet.notes)
    return f"## {sheet.title}\n\n{markdown(sheet.columns, sheet.rows, LABELS)}\n{notes}"


def as_csv(sheet: Sheet) -> str:
    """Fields and records; numbers are unrounded, what is not there is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([sheet.fields, *sheet.records])
    return text.getvalue()


def as_latex(sheet: Sheet) -> str:
    """A tabular with booktabs' rules, its notes as comments."""
    lines = [f"% {line}" for line in (f"{sheet.title}. Needs \\usepackage{{booktabs}}.", *sheet.notes)]
    aligned = "l" * LABELS + "r" * (len(sheet.columns) - LABELS)
    lines += [rf"\begin{{tabular}}{{{aligned}}}", r"\toprule", _tex_line(sheet.columns)]
    before = None
    for row in sheet.rows:
        lines += [r"\midrule"] if row[0] != before else []
        lines.append(_tex_line(["" if row[0] == before else row[0], *row[1:]]))
        before = row[0]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _tex_line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(''.join(IN_TEX.get(sign, sign) for sign in cell) for cell in cells)} \\"


WRITTEN = {".md": as_markdown, ".csv": as_csv, ".tex": as_latex}
