from pathlib import Path

import pytest
from page_cases import parsed
from PIL import Image

from vlhyper.metrics.report import Report
from vlhyper.report.page import SPARE, Page, write_page
from vlhyper.report.pictures import Pictures, joined, spread, thumbnails
from vlhyper.report.section import make_section


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


def test_a_page_stays_within_its_size_and_says_what_it_leaves_out(files, tmp_path, capsys):
    report = Report("vqa", 6, {"overall": 0.0}, ids=range(6), items={"overall": [0.0] * 6})
    report.answers, report.right = ["no"] * 6, [["yes"]] * 6
    section = make_section("vqa", {"t5": report}, {}, list("012345"))
    whole = Page("six", [section], [{str(number): file for number, file in enumerate(files)}], [])
    write_page(tmp_path / "whole.html", whole)
    most = (tmp_path / "whole.html").stat().st_size + SPARE - 2000
    write_page(tmp_path / "page.html", whole, most)
    assert (tmp_path / "page.html").stat().st_size < most
    told = capsys.readouterr().err
    assert "whole.html: 6 samples, 6 pictures" in told and "of 6 pictures fit into this file" in told
    assert "of 6 pictures fit into this file" in " ".join(parsed(tmp_path / "page.html").words)


def test_the_files_of_hidden_copies_are_no_pictures(files, tmp_path):
    (tmp_path / "._0.png").write_bytes(b"")
    assert set(Pictures([tmp_path]).files) == set("012345")
    assert Pictures([tmp_path]).find(["3", "99"]) == {"3": tmp_path / "3.png"}
