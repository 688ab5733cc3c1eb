"""The map of what an answer depended on, and the check that confirms or refuses it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vlhyper.ask.maps import Map, _windows, blanked, draw_map
from vlhyper.errors import UserError
from vlhyper.show.heat import gradient, overlay, save_map

pytestmark = pytest.mark.usefixtures("fresh_process")
QUESTION = "what color is the circle?"


def test_a_cell_is_as_high_as_blanking_it_makes_the_answer_less_likely(asker, features, picture):
    found = draw_map(asker, picture.stem, QUESTION, "red")
    grid, task = features.read([picture.stem])[0], asker.task("vqa")
    (whole,) = asker.log_probability(task, QUESTION, "red", grid[None])
    falls = []
    for covered in [*np.eye(4, dtype=bool), np.ones(4, bool)]:
        other = np.where(covered[:, None], grid.astype(np.float32).mean(0).astype(grid.dtype), grid)
        falls.append(whole - asker.log_probability(task, QUESTION, "red", other[None])[0])
    # On four cells every block of three by three is the whole.
    np.testing.assert_allclose(found.cells.ravel(), [(fall + falls[4]) / 2 for fall in falls[:4]], atol=1e-4)
    assert found.cells.shape == (2, 2) and found.cells.std() > 0.005
    highest = blanked(grid, found.cells.reshape(1, 4) == found.cells.max())
    (fallen,) = asker.log_probability(task, QUESTION, "red", highest)
    assert (found.blanked, found.highest) == (1, pytest.approx(whole - fallen, abs=1e-3))


def test_windows_end_at_the_edges():
    assert (_windows(4, 1) == np.eye(16, dtype=bool)).all()
    assert np.flatnonzero(_windows(4, 3)[0]).tolist() == [0, 1, 4, 5]
    assert np.flatnonzero(_windows(4, 3)[6]).tolist() == [1, 2, 3, 5, 6, 7, 9, 10, 11]


def test_the_check_blanks_the_picture_itself(asker, picture):
    found = draw_map(asker, picture, QUESTION, "red")
    pixels = asker.images.pixels(picture)
    row, column = divmod(int(found.cells.argmax()), 2)
    half = len(pixels) // 2
    covered = pixels.copy()
    covered[row * half : (row + 1) * half, column * half : (column + 1) * half] = pixels.mean((0, 1)).astype(np.uint8)
    grids = asker.images.encode(np.stack([pixels, covered]))
    whole, fallen = asker.log_probability(asker.task("vqa"), QUESTION, "red", grids)
    assert found.highest == pytest.approx(whole - fallen, abs=2e-2)


def test_what_the_check_says():
    good = Map(np.ones((7, 7)), 4, 2.0, (0.0, 0.1))
    assert good.confirmed
    assert good.told == (
        "Check: with the 4 highest cells blanked the answer keeps 14% of its probability, with 4 random cells 95% on "
        "average."
    )
    assert Map(np.ones((7, 7)), 4, 0.0, (-0.1, 0.1)).told.endswith("on average: the map is not confirmed here.")


def test_tasks_without_an_image_have_no_map(asker, picture):
    with pytest.raises(UserError, match="task 'sst2' sees no square grid of cells"):
        draw_map(asker, picture, "a circle", "positive", task="sst2")


def test_colours_lie_where_the_cells_are(tmp_path):
    cells = np.array([[3.0, -1.0], [0.0, 1.5]])
    image = Image.new("RGB", (40, 20), "white")
    shown = np.asarray(overlay(image, cells)).astype(int).sum(-1)
    assert shown.shape == (20, 40)
    corners = shown[5, 5], shown[5, 35], shown[15, 5], shown[15, 35]
    assert corners[0] > corners[3] > corners[1] == corners[2]
    assert len(gradient().split(", ")) == 9
    save_map(image, cells, tmp_path / "map.png", "what? — this", "checked")
    with Image.open(tmp_path / "map.png") as saved:
        assert saved.format == "PNG" and saved.width > 800
