"""Scores against trained parameters, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vlhyper.show.curves import COLOURS, MARKS, panelled, save_figure


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
            axis.set_title(title, fontsize=11)
            axis.set_xlabel("trained parameters")
            axis.grid(axis="y", color="#dddddd", linewidth=0.8)
            axis.spines[["top", "right"]].set_visible(False)
        return save_figure(figure, axes, path)
