"""Images with the answers of a model, as one PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlhyper.files import replacing

WIDTH = 34  # characters of a line under an image
FONT, LEADING = 9, 12.5  # points
COLOURS = {True: "#1a7f37", False: "#b42318", None: "#333333"}


@dataclass(frozen=True)
class Line:
    """A line under an image; `right` colours it (None: not judged)."""

    text: str
    right: bool | None = None


@dataclass(frozen=True)
class Exhibit:
    """An image with a title and the lines under it."""

    image: Path
    title: str
    lines: Sequence[Line]


def save_gallery(exhibits: Sequence[Exhibit], path: Path, columns: int = 4, title: str = "") -> None:
    """Write the exhibits, row by row, as one PNG: right lines green, wrong lines red."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    rows = -(-len(exhibits) // columns)
    figure = Figure(figsize=(3.2 * columns, 5.0 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    # The axes below an image hold its text.
    axes = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[3, 1.7] * rows)
    for axis in axes.flat:
        axis.axis("off")
    for index, exhibit in enumerate(exhibits):
        row, column = divmod(index, columns)
        picture = axes[2 * row, column]
        with Image.open(exhibit.image) as image:
            picture.imshow(image.convert("RGB"))
        picture.set_title(textwrap.fill(exhibit.title, WIDTH), fontsize=10, loc="left", weight="bold")
        _write_lines(axes[2 * row + 1, column], exhibit.lines)
    if title:
        figure.suptitle(title)
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")


def _write_lines(axes: Any, lines: Sequence[Line]) -> None:
    wrapped = [(row, line.right) for line in lines for row in textwrap.wrap(line.text, WIDTH, subsequent_indent="    ")]
    for number, (row, right) in enumerate(wrapped):
        # From the upper left corner of the axes, whose height depends on the layout.
        below = {"xytext": (0, -number * LEADING), "textcoords": "offset points"}
        style = {"va": "top", "fontsize": FONT, "color": COLOURS[right], "family": "monospace"}
        axes.annotate(row, (0, 1), xycoords="axes fraction", annotation_clip=False, **below, **style)
