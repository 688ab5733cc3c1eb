"""Few-shot results as a table and a figure. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlhyper.console import say
from vlhyper.fewshot.results import Curve, Result, curves, read_results, table_of
from vlhyper.show.curves import Line, save_curves
from vlhyper.show.tables import print_table


def show(folders: Sequence[Path], out: Path) -> None:
    """Print the table of all results below some folders, and draw them to `out` as PNG and SVG."""
    found = curves(read_results(folders))
    columns, rows = table_of(found)
    print_table(columns, rows, title="few-shot scores by number of examples: mean ± deviation over seeds")
    paths = _draw(found, out)
    say(f"figure: {' · '.join(map(str, paths))}")


def save_figure(results: Sequence[Result], out: Path) -> list[Path]:
    """Draw results to `out` as PNG and SVG, a panel for each task and a line for each model; returns both paths."""
    return _draw(curves(results), out)


def _draw(found: Sequence[Curve], out: Path) -> list[Path]:
    panels: dict[str, list[Line]] = {}
    for curve in found:
        points = {shots: (one.mean, one.deviation) for shots, one in curve.points.items()}
        panels.setdefault(curve.task, []).append(Line(curve.title, points))
    return save_curves(panels, out)
