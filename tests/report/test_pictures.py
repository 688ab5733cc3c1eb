from pathlib import Path

import pytest
from PIL import Image

from vlhyper.report.pictures import Pictures, joined, spread, thumbnails


def test_every_cell_comes_before_a_second_of_any():
    cells = ["a", "a", "a", "b", "a", "b", "c"]
    assert [cells[index] for index in spread(cells)] == ["a", "b", "c", "a", "b", "a", "a"]


@pytest.fixture
def files(tmp_path) -> list[Path]:
    made = [tmp_path / f"{number}.png" for number in range(6)]
    for number, file in enumerate(made):
        Image.effect_noise((60, 40), 40 + number).convert("RGB").save(file)
    return made


def test_pictures_fit_into_the_room_and_the_first_are_taken(files):
    every, broken = thumbnails(files, 10**9)
    assert (list(every), broken) == (files, [])
    size = len(joined(every)[0])
    some, _ = thumbnails(files, size - 1)
    text, ends, number_of = joined(some)
    assert list(some) == files[: len(some)] and len(some) > 0
    assert len(text) == ends[-1] < size and number_of[files[0]] == 0


def test_a_broken_picture_is_left_out_and_named(files):
    files[2].write_bytes(b"\x89PNG\r\n\x1a\n broken")
    made, broken = thumbnails(files, 10**9)
    assert broken == [files[2]] and len(made) == 5


def test_the_files_of_hidden_copies_are_no_pictures(files, tmp_path):
    (tmp_path / "._0.png").write_bytes(b"")
    assert set(Pictures([tmp_path]).files) == set("012345")
    assert Pictures([tmp_path]).find(["3", "99"]) == {"3": tmp_path / "3.png"}
