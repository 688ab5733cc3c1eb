"""`vlhyper params`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Overrides


def command(
    config: Annotated[Path, typer.Argument(help="Config file of a run.")],
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output.")] = False,
) -> None:
    """Count the parameters that a run trains, part by part, before anything is built.

    Example: vlhyper params configs/vl_hyperpelt.yaml
    """
    from vlhyper.model.methods import method
    from vlhyper.model.spec import count
    from vlhyper.run.config import load_config, stated_inputs
    from vlhyper.show.tables import print_table

    run = load_config(config, overrides or [])
    counts = count(run.model, stated_inputs(run))
    if as_json:
        typer.echo(counts.model_dump_json(indent=2))
        return
    rows = [(part, f"{number:,}", 100 * number / counts.trained) for part, number in counts.parts.items()]
    rows.append(("trained", f"{counts.trained:,}", 100.0))
    title = f"{method(counts.method).title} ({counts.method}) on {counts.backbone}"
    print_table(("part", "parameters", "% of trained"), rows, title=title)
    typer.echo(f"frozen {counts.frozen:,} · total {counts.total:,}")
    typer.echo(f"trained share {counts.share:.2f} % of the total, {counts.share_per_task:.2f} % per task")
