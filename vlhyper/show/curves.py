"""Scores over the number of examples, as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.files import replacing

# Okabe and Ito's colours, which people with colour blindness tell apart; marks tell them apart in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "osD^vP*"
FORMATS = (".png", ".svg")


class Line(NamedTuple):
    """One model: by number of examples, the mean score and its deviation (None where unknown)."""

    label: str
    points: Mapping[int, tuple[float, float | None]]


def save_curves(panels: Mapping[str, Sequence[Line]], path: Path, columns: int = 3, label: str = "score") -> list[Path]:
    """Write one panel for each title, as PNG and as SVG; returns both paths.

    Lines of one label have one colour in all panels. Numbers of examples stand at equal distances, as in the paper's
    figures 2 and 3; a band is one deviation to each side.
    """
    labels = list(dict.fromkeys(line.label for lines in panels.values() for line in lines))
    with panelled(len(panels), len(labels), columns) as (figure, axes):
        for axis, (title, lines) in zip(axes.flat, panels.items(), strict=False):
            _draw(axis, title, lines, labels)
        for row in axes:
            row[0].set_ylabel(label)
        return save_figure(figure, axes, path)


@contextmanager
def panelled(panels: int, labels: int, columns: int = 3) -> Iterator[tuple[Any, Any]]:
    """A figure with room for so many panels and, below them, for the legend; and the array of its axes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Four are two full rows, not three and one.
    columns = 2 if panels == 4 else min(columns, panels)
    rows = -(-panels // columns)
    # Text stays text in the SVG, and the same figure gives the same bytes.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "vlhyper", "font.size": 10}):
        figure = Figure(figsize=(max(4.6, 3.7 * columns), 3.0 * rows + 0.3 * labels), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis in axes.flat[panels:]:
            axis.axis("off")
        yield figure, axes


def save_figure(figure: Any, axes: Any, path: Path) -> list[Path]:
    """Write a figure with one legend of all its labels as PNG and as SVG; returns both paths."""
    handles: dict[str, Any] = {}
    for axis in axes.flat:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", frameon=False)
    paths = [path.with_suffix(ending) for ending in FORMATS]
    for one in paths:
        with replacing(one) as part:
            figure.savefig(part, dpi=160, format=one.suffix[1:], metadata=_undated(one.suffix))
    return paths


def _undated(ending: str) -> dict[str, None]:
    return {"Date": None} if ending == ".svg" else {}


def _draw(axis: Any, title: str, lines: Sequence[Line], labels: Sequence[str]) -> None:
    shots = sorted({number for line in lines for number in line.points})
    for line in lines:
        number = labels.index(line.label)
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        known = sorted(line.points)
        places = [shots.index(one) for one in known]
        means = [line.points[one][0] for one in known]
        spread = [line.points[one][1] or 0.0 for one in known]
        below, above = ([mean + sign * one for mean, one in zip(means, spread, strict=True)] for sign in (-1, 1))
        axis.fill_between(places, below, above, color=colour, alpha=0.15, linewidth=0)
        axis.plot(places, means, color=colour, marker=mark, markersize=5, linewidth=1.6, label=line.label)
    axis.set_xticks(range(len(shots)), map(str, shots))
    framed(axis, title, "training examples")


def framed(axis: Any, title: str, label: str) -> None:
    """What all panels have: a title, a label below, light lines for reading values."""
    axis.set_title(title, fontsize=11)
    axis.set_xlabel(label)
    axis.grid(axis="y", color="#dddddd", linewidth=0.8)
    axis.spines[["top", "right"]].set_visible(False)
