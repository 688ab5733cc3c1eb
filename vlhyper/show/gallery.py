"""Images with the answers of a model, as one PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlhyper.files import replacing

WIDTH = 34  # characters of a line under a picture


@dataclass(frozen=True)
class Exhibit:
    """A picture and the lines under it; `right` colours them (None: no judgement)."""

    image: Path
    title: str
    lines: Sequence[str]
    right: bool | None = None


def save_gallery(exhibits: Sequence[Exhibit], path: Path, columns: int = 4, title: str = "") -> None:
    """Write the exhibits, row by row, as one PNG."""
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
    for place, exhibit in enumerate(exhibits):
        row, column = divmod(place, columns)
        picture, text = axes[2 * row, column], axes[2 * row + 1, column]
        with Image.open(exhibit.image) as image:
            picture.imshow(image.convert("RGB"))
        picture.set_title(textwrap.fill(exhibit.title, WIDTH), fontsize=10, loc="left", weight="bold")
        colour = {True: "#1a7f37", False: "#b42318", None: "#333333"}[exhibit.right]
        lines = "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in exhibit.lines)
        text.text(0, 1, lines, transform=text.transAxes, va="top", fontsize=9, color=colour, family="monospace")
    if title:
        figure.suptitle(title)
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")
