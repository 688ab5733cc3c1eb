"""`vlhyper compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Overrides


def command(
    overrides: Overrides = None,
    methods: Annotated[
        str | None, typer.Option(help="Methods with commas; all that see images, and a text-only control, if left out.")
    ] = None,
    rates: Annotated[str, typer.Option(help="Learning rates to choose from for each method.")] = "3e-4,1e-3,3e-3",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each method at its rate, for mean ± deviation.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of every run.")] = 600,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at the same time; step times are of such runs.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder for the world, all runs, table and figure.")] = Path("compare"),
) -> None:
    """Compare methods in the miniature world: same data and steps, a learning rate chosen for each on validation.

    Example: vlhyper compare --methods vl_hyperpelt,vl_adapter --rates 1e-3 --seeds 2 --steps 200 --out compare

    Writes compare.md, compare.json and compare.png and .svg: scores as mean ± deviation over seeds, trained share,
    seconds a step, examples a second, and the most memory in the logs. Finished runs are not run again. Values as
    model.bottleneck=16 apply to every run.
    """
    from vlhyper.compare.plan import Plan, compared, named
    from vlhyper.show.tables import print_table

    names = named([name.strip() for name in methods.split(",")]) if methods else compared()
    plan = Plan(out, names, _numbers(rates), seeds, steps, tuple(overrides or []))
    # Importing torch takes seconds: what is wrong with the words above is said before.
    from vlhyper.compare.results import table_of, write_table
    from vlhyper.compare.work import compare

    rows = compare(plan, jobs)
    columns, body = table_of(rows)
    print_table(columns, body, title=f"{out}: test scores after {steps} steps, mean ± deviation over {seeds} seeds")
    typer.echo(" · ".join(map(str, write_table(rows, out))), err=True)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        found = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        found = (0.0,)
    if min(found) <= 0:
        raise typer.BadParameter(f"--rates is {text!r}; write learning rates with commas: 3e-4,1e-3")
    return found
