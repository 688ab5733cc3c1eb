"""A heat map over a picture: how much each cell of a grid counted."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlhyper.files import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = "inferno"
# Of the picture, in grey, that is seen through the colours.
THROUGH = 0.45


def overlay(picture: Image, cells: np.ndarray, most: int = 1024) -> Image:
    """The picture in grey, at most `most` pixels long, seen through the colours of its (rows, columns) of cells.

    Values of 0 and below have the darkest colour, the highest the brightest.
    """
    from matplotlib import colormaps
    from PIL import Image

    shown = picture.convert("L").convert("RGB")
    shown.thumbnail((most, most))
    heat = np.clip(cells, 0, None) / max(float(cells.max()), 1e-9)
    field = Image.fromarray(heat.astype(np.float32)).resize(shown.size, Image.Resampling.NEAREST)
    colours = colormaps[COLOURS](np.asarray(field))[..., :3] * 255
    mixed = THROUGH * np.asarray(shown) + (1 - THROUGH) * colours
    return Image.fromarray(mixed.round().astype(np.uint8))


def save_map(picture: Image, cells: np.ndarray, path: Path, title: str, note: str) -> None:
    """Write the picture, the map over it and its legend as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.imshow(picture)
    right.imshow(overlay(picture, cells))
    for axis in (left, right):
        axis.axis("off")
    scale = ScalarMappable(Normalize(0, max(float(cells.max()), 1e-9)), COLOURS)
    bar = figure.colorbar(scale, ax=right, shrink=0.8)
    bar.set_label("fall of ln P(answer) where blanked")
    figure.suptitle(textwrap.fill(title, 90), weight="bold")
    figure.supxlabel(textwrap.fill(note, 110), fontsize=9)
    with replacing(path) as part:
        figure.savefig(part, dpi=130, format="png")


def gradient() -> str:
    """The colours from low to high, for a legend in CSS."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return ", ".join(to_hex(colormaps[COLOURS](share)) for share in np.linspace(0, 1, 9))
