"""`vlhyper table`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    table: Annotated[
        Literal["glue", "vl", "params"],
        typer.Argument(help="Table 1 (GLUE), table 2 (vision and language) or table 3 (parameters) of the paper."),
    ],
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders, evaluated for glue and vl.")] = None,
    split: Annotated[str, typer.Option(help="The split whose scores are shown.")] = "test",
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the table to PATH.md, PATH.csv and PATH.tex as well.")
    ] = None,
) -> None:
    """Show a table of the paper with the figures of your runs beside.

    Example: vlhyper table glue runs/glue/hyperpelt runs/glue/adapters_single/* --out table1

    Which row a run is follows from its method, its options and its tasks. Runs that differ in their seed alone are one
    line, mean ± sample deviation; runs of a method with one task each are one line too. Runs that are no row of the
    paper follow at the end. Markdown and LaTeX are rounded as they are shown, CSV is not.
    """
    from vlhyper.show.sheets import print_sheet, save_sheet
    from vlhyper.tables.lines import parameters, scores
    from vlhyper.tables.rows import TABLES
    from vlhyper.tables.runs import read_evaluated, read_run

    folders = runs or []
    if table == "params":
        sheet = parameters(TABLES.values(), [read_run(folder) for folder in folders])
    else:
        chosen = TABLES[table]
        tasks = list(dict.fromkeys(column.task for column in chosen.figures))
        sheet = scores(chosen, [read_evaluated(folder, split, tasks) for folder in folders], split)
    print_sheet(sheet)
    if out is not None:
        typer.echo(f"written: {' '.join(map(str, save_sheet(sheet, out)))}", err=True)
