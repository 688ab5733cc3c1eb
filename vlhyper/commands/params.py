"""`vlhyper params`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlhyper.commands._options import CONFIG_HELP, Overrides, complete_config

if TYPE_CHECKING:
    from vlhyper.model.spec import Counts


def command(
    config: Annotated[Path | None, typer.Argument(help=CONFIG_HELP, autocompletion=complete_config)] = None,
    overrides: Overrides = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every method on t5-base, beside what the paper prints.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output.")] = False,
) -> None:
    """Count the parameters that a run trains, part by part, before anything is built.

    Example: vlhyper params vl_hyperpelt
    """
    from vlhyper.errors import UserError
    from vlhyper.model.spec import count
    from vlhyper.run.config import load_config, stated_inputs

    if every == (config is not None):
        raise UserError("give a config file or --all")
    if config is None:
        _print_every(as_json)
        return
    run = load_config(config, overrides or [])
    counts = count(run.model, stated_inputs(run))
    if as_json:
        typer.echo(counts.model_dump_json(indent=2))
        return
    _print(counts)


def _print(counts: Counts) -> None:
    from vlhyper.model.methods import method
    from vlhyper.show.tables import print_table

    rows = [(part, f"{number:,}", 100 * number / counts.trained) for part, number in counts.parts.items()]
    rows.append(("trained", f"{counts.trained:,}", 100.0))
    title = f"{method(counts.method).title} ({counts.method}) on {counts.backbone}"
    print_table(("part", "parameters", "% of trained"), rows, title=title)
    typer.echo(f"frozen {counts.frozen:,} · total {counts.total:,}")
    typer.echo(f"trained share {counts.share:.2f} % of the total, {counts.share_per_task:.2f} % per task")


def _print_every(as_json: bool) -> None:
    import json

    from vlhyper.model.paper import BACKBONE, CONTRADICTION, table
    from vlhyper.show.tables import print_table

    tables = table()
    if as_json:
        rows = [row for rows in tables.values() for row in rows]
        found = {row.counts.method: row.counts.model_dump() | {"paper": row.printed} for row in rows}
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    columns = ("method", "", "trained", "% of total", "% per task", "× T5", "the paper")
    for tasks, rows in tables.items():
        body = [
            (
                r.counts.method,
                r.title,
                f"{r.counts.trained:,}",
                r.counts.share,
                r.counts.share_per_task,
                r.times,
                r.printed,
            )
            for r in rows
        ]
        print_table(columns, body, title=f"{tasks}, on {BACKBONE}")
    typer.echo(CONTRADICTION)
    for row in (row for rows in tables.values() for row in rows if row.formula is not None):
        items = [("the paper's formula (table 3)", f"{row.formula:,}")]
        items += [(item, f"+ {number:,}") for item, number in row.items.items()]
        print_table(("", row.title), [*items, ("the built module", f"{row.counts.trained:,}")])
