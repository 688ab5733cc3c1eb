"""Pictures with what a model said about them."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from vlhyper.show.gallery import COLOURS, Exhibit, Line, save_gallery

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def exhibits(tmp_path):
    made = []
    for number, (colour, right) in enumerate([(RED, True), (GREEN, False), (RED, None)]):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (64, 64), colour).save(path)
        made.append(Exhibit(path, "What colour is it? " * 4, [Line("model: red", right), Line("truth: red")]))
    return made


def positions(pixels: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    return np.argwhere((pixels == colour).all(-1)).tolist()


def test_every_picture_is_in_its_cell(exhibits, tmp_path):
    save_gallery(exhibits, tmp_path / "all.png", columns=2, title="all")
    with Image.open(tmp_path / "all.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    reds, greens = positions(pixels, RED), positions(pixels, GREEN)
    height, width = pixels.shape[:2]
    # The first and the third picture are red, above each other; the second is green, right of the first.
    assert all(column > width / 2 and row < height / 2 for row, column in greens) and len(greens) > 10_000
    assert all(column < width / 2 for _, column in reds) and len(reds) > 1.9 * len(greens)
    rows = sorted({row for row, _ in reds})
    assert sum(after - before > 1 for before, after in pairwise(rows)) == 1


def test_every_line_has_its_own_colour(exhibits, tmp_path):
    lines = [Line("right " * 12, True), Line("wrong", False), Line("not judged")]
    save_gallery([Exhibit(exhibits[0].image, "?", lines)], tmp_path / "all.png", columns=1)
    with Image.open(tmp_path / "all.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    rows = {right: [row for row, _ in positions(pixels, tuple(bytes.fromhex(c[1:])))] for right, c in COLOURS.items()}
    assert all(rows.values())
    # One below the other, the wrapped one taller.
    assert max(rows[True]) < min(rows[False]) and max(rows[False]) < min(rows[None])
    assert max(rows[True]) - min(rows[True]) > 1.5 * (max(rows[False]) - min(rows[False]))


def test_a_picture_that_can_not_be_read_leaves_no_half_file(exhibits, tmp_path):
    exhibits[1].image.write_bytes(b"")
    with pytest.raises(OSError):
        save_gallery(exhibits, tmp_path / "all.png")
    assert not list(tmp_path.glob("*all*"))
