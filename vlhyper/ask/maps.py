"""Which cells of an image's grid an answer depended on, found by blanking them, and checked by blanking the picture.

Letters: M variants of an image · N cells of its grid · d_v its channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from vlhyper.ask.asker import Asker, unreadable
from vlhyper.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlhyper.ask.images import Picture
    from vlhyper.ask.questions import Question

# Sides of the windows that are blanked, in cells.
SIZES = (1, 3)
# Sets of random cells that the highest cells are held against.
RANDOM_SETS = 8
# Of the cells, those that are blanked together in the check.
PART = 0.08


@dataclass(frozen=True)
class Map:
    """cells: (rows, columns), by how much ln P(answer) falls, in nats, where the cell is blanked; below 0 it rises.

    It is the mean of two falls: that of the cell alone, and that of the 3 x 3 blocks with it. A thing covers several
    cells, and what one of them lacks the others tell: with blocks the highest cells cover it. In the miniature world
    (benchmarks/maps.py) blanking four of them took more from the answer than by cells alone, by gradient x input or by
    blocks alone.

    The check blanks the `blanked` highest cells together, in the picture itself where there is one, and then as many
    random cells, several times: highest and random are by how much ln P(answer) falls.
    """

    cells: np.ndarray
    blanked: int
    highest: float
    random: tuple[float, ...]

    @property
    def confirmed(self) -> bool:
        """Whether the highest cells mattered more than any of the random ones."""
        return self.highest > max(self.random)

    @property
    def told(self) -> str:
        """The check in words."""
        kept, chance = (f"{math.exp(-fall):.0%}" for fall in (self.highest, np.mean(self.random)))
        return (
            f"Check: with the {self.blanked} highest cells blanked the answer keeps {kept} of its probability, with "
            f"{self.blanked} random cells {chance} on average"
            f"{'.' if self.confirmed else ': the map is not confirmed here.'}"
        )


def draw_map(
    asker: Asker, image: Picture, question: Question = "", answer: str | None = None, task: str | None = None
) -> Map:
    """Which cells of an image an answer depended on.

    Args:
        image, question, task: as for `Asker.ask`.
        answer: the text in question; what the run answers where left out.

    Raises UserError as `Asker.ask` does, for a task that sees no image, and for features that are no square grid.
    """
    chosen = asker.task(task)
    (grid,) = asker.images.rows([image])
    if isinstance(grid, str):
        raise unreadable(image, grid)
    side = math.isqrt(len(grid))
    if not chosen.images or chosen.boxes or side * side != len(grid):
        raise UserError(
            f"{asker.folder}: task {chosen.name!r} sees no square grid of cells, so there is nothing to map"
        )
    text = asker.ask(image, question, task, others=0).answer if answer is None else answer

    def falls(grids: np.ndarray) -> np.ndarray:
        """By how much ln P(answer) falls, (M,), from the image to its variants (M, N, d_v)."""
        found = asker.log_probability(chosen, question, text, np.concatenate([grid[None], grids]))
        return found[0] - found[1:]

    windows = [_windows(side, size) for size in SIZES]
    fallen = falls(blanked(grid, np.concatenate(windows))).reshape(len(SIZES), -1)
    # Of each size the mean over the windows that hold the cell.
    cells = np.mean([own @ fall / own.sum(1) for own, fall in zip(windows, fallen, strict=True)], 0)
    sets = _sets(cells)
    known = asker.images.knows(image)
    highest, *rest = falls(blanked(grid, sets) if known else asker.images.encode(_blanked_pixels(asker, image, sets)))
    return Map(cells.reshape(side, side), int(sets[0].sum()), float(highest), tuple(map(float, rest)))


def blanked(grid: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(N, d_v) with some cells, (M, N) bool, as the mean of all: (M, N, d_v)."""
    mean = grid.astype(np.float32).mean(0).astype(grid.dtype)
    return np.where(cells[..., None], mean, grid)


def _windows(side: int, size: int) -> np.ndarray:
    """(N, N) bool: for each cell of a grid those of the square window around it. Each is in the others' windows."""
    rows, columns = np.divmod(np.arange(side * side), side)
    reach = size // 2
    return (abs(rows[:, None] - rows) <= reach) & (abs(columns[:, None] - columns) <= reach)


def _sets(cells: np.ndarray) -> np.ndarray:
    """(1 + RANDOM_SETS, N) bool: the highest cells, and random ones, the same for every image."""
    count, rng = max(1, round(PART * len(cells))), Random(0)
    chosen: Sequence[Any] = [
        np.argsort(-cells)[:count],
        *(rng.sample(range(len(cells)), count) for _ in range(RANDOM_SETS)),
    ]
    found = np.zeros((len(chosen), len(cells)), bool)
    for row, some in zip(found, chosen, strict=True):
        row[some] = True
    return found


def _blanked_pixels(asker: Asker, image: Picture, cells: np.ndarray) -> np.ndarray:
    """The picture as the encoder takes it, with the places of some cells, (M, N) bool, in its mean colour."""
    pixels = asker.images.pixels(image)
    assert isinstance(pixels, np.ndarray)
    height, width = pixels.shape[:2]
    side = math.isqrt(cells.shape[1])
    rows, columns = np.arange(height) * side // height, np.arange(width) * side // width
    places = cells.reshape(-1, side, side)[:, rows][:, :, columns]
    return np.where(places[..., None], pixels.mean((0, 1)).astype(np.uint8), pixels)
