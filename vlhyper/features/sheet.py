"""A contact sheet of a feature file: the grid of each image as colours, next to the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vlhyper.features.reader import open_features
from vlhyper.files import hidden, replacing

MOST = 48
SIDE, GAP, LINE, COLUMNS = 112, 6, 14, 6


def write_sheet(path: Path, sheet: Path, folders: Sequence[Path]) -> None:
    """Draw up to MOST images of the feature file `path`, evenly spaced, to the PNG `sheet`.

    Similar features have similar colours on the whole sheet. folders: where to find the images, by id.
    """
    features = open_features(path)
    ids = features.ids[:: max(1, math.ceil(len(features) / MOST))]
    colours = _colours(features.read(ids).astype(np.float32))
    files = [(folder, file) for folder in folders for file in sorted(folder.rglob("*"))]
    pictures = {file.stem: file for folder, file in files if _is_picture(file) and not hidden(file, folder)}
    width = SIDE * 2 if pictures else SIDE
    rows = max(1, math.ceil(len(ids) / COLUMNS))
    canvas = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, rows * (SIDE + LINE + GAP) + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    for number, (image, cells) in enumerate(zip(ids, colours, strict=True)):
        x = GAP + number % COLUMNS * (width + GAP)
        y = GAP + number // COLUMNS * (SIDE + LINE + GAP)
        canvas.paste(_blocks(cells), (x + width - SIDE, y))
        if image in pictures:
            with Image.open(pictures[image]) as picture:
                canvas.paste(picture.convert("RGB").resize((SIDE, SIDE)), (x, y))
        draw.text((x, y + SIDE), image[-width // 6 :], fill="black")
    with replacing(sheet) as part:
        canvas.save(part, format="PNG")


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in Image.registered_extensions() and file.is_file()


def _colours(grids: np.ndarray) -> np.ndarray:
    """(n, tokens, width) -> (n, tokens, 3) uint8: the three main directions of variation as RGB."""
    if not len(grids):
        return np.zeros((0, grids.shape[1], 3), np.uint8)
    cells = grids.reshape(-1, grids.shape[-1])
    centred = cells - cells.mean(0)
    _, _, directions = np.linalg.svd(centred[:: max(1, len(centred) // 1024)], full_matrices=False)
    values = centred @ directions[:3].T
    values = np.pad(values, ((0, 0), (0, 3 - values.shape[1])))
    low, high = np.percentile(values, [2, 98], axis=0)
    scaled = (values - low) / np.maximum(high - low, 1e-6)
    return (scaled.clip(0, 1) * 255).astype(np.uint8).reshape(*grids.shape[:2], 3)


def _blocks(cells: np.ndarray) -> Image.Image:
    """(tokens, 3) as an image of SIDE pixels; if the tokens are not a square, the rectangle closest to one."""
    rows = max(number for number in range(1, math.isqrt(len(cells)) + 1) if len(cells) % number == 0)
    small = Image.fromarray(cells.reshape(rows, -1, 3))
    return small.resize((SIDE, SIDE), Image.Resampling.NEAREST)
