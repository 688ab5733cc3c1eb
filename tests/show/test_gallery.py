"""Pictures with what a model said about them."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from vlhyper.show.gallery import Exhibit, save_gallery

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def exhibits(tmp_path):
    made = []
    for number, (colour, right) in enumerate([(RED, True), (GREEN, False), (RED, None)]):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (64, 64), colour).save(path)
        made.append(Exhibit(path, "What colour is it? " * 4, ["model: red", "truth: red"], right))
    return made


def place(pixels: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    return np.argwhere((pixels == colour).all(-1)).tolist()


def test_every_picture_stands_in_its_place(exhibits, tmp_path):
    save_gallery(exhibits, tmp_path / "all.png", columns=2, title="all")
    with Image.open(tmp_path / "all.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    reds, greens = place(pixels, RED), place(pixels, GREEN)
    height, width = pixels.shape[:2]
    # The first and the third picture are red, above each other; the second is green, right of the first.
    assert all(column > width / 2 and row < height / 2 for row, column in greens) and len(greens) > 10_000
    assert all(column < width / 2 for _, column in reds) and len(reds) > 1.9 * len(greens)
    rows = sorted({row for row, _ in reds})
    assert sum(after - before > 1 for before, after in pairwise(rows)) == 1


def test_answers_are_coloured_by_what_they_are_worth(exhibits, tmp_path):
    save_gallery(exhibits, tmp_path / "all.png")
    with Image.open(tmp_path / "all.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    for colour in ("1a7f37", "b42318", "333333"):
        assert place(pixels, tuple(bytes.fromhex(colour)))


def test_a_picture_that_can_not_be_read_leaves_no_half_file(exhibits, tmp_path):
    exhibits[1].image.write_bytes(b"")
    with pytest.raises(OSError):
        save_gallery(exhibits, tmp_path / "all.png")
    assert not list(tmp_path.glob("*all*"))
