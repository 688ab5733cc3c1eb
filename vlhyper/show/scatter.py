"""Scores against trained parameters, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vlhyper.show.curves import COLOURS, MARKS, framed, panelled, save_figure


class Dot(NamedTuple):
    """One model: its trained parameters, its mean score, and the score's deviation (None where unknown)."""

    label: str
    trained: int
    score: float
    deviation: float | None


def save_scatter(panels: Mapping[str, Sequence[Dot]], path: Path) -> list[Path]:
    """Write one panel for each title, as PNG and as SVG; returns both paths. The axis of parameters is logarithmic."""
    with panelled(len(panels), len({dot.label for dots in panels.values() for dot in dots})) as (figure, axes):
        for axis, (title, dots) in zip(axes.flat, panels.items(), strict=False):
            for number, dot in enumerate(dots):
                style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKS[number // len(COLOURS) % len(MARKS)]}
                axis.errorbar(
                    dot.trained, dot.score, yerr=dot.deviation, capsize=3, linestyle="none", label=dot.label, **style
                )
            axis.set_xscale("log")
            framed(axis, title, "trained parameters")
        return save_figure(figure, axes, path)
