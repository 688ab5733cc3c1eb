"""`vlhyper ask` and `vlhyper caption` as they are typed."""

from __future__ import annotations

import json
import shutil

import pytest

from vlhyper.cli import run
from vlhyper.errors import UserError

pytestmark = pytest.mark.usefixtures("fresh_process")
QUESTION = "what color is the circle?"


@pytest.fixture
def folder(lab, tmp_path):
    """Two pictures and a file that is none."""
    images = tmp_path / "images"
    images.mkdir()
    for path in sorted((lab.folder / "images" / "test").glob("*.jpg"))[:2]:
        shutil.copy(path, images)
    (images / "broken.jpg").write_bytes(b"no image")
    return images


def test_one_question_about_one_image(asked, folder, capsys):
    picture = sorted(folder.glob("world*.jpg"))[0]
    run(["ask", str(asked), str(picture), QUESTION, "--json", "--others", "2"])
    told, said = capsys.readouterr()
    found = json.loads(told)
    assert list(found) == ["answer", "probability", "others", "without_image"] and len(found["others"]) == 2
    assert all(list(one) == ["answer", "probability"] for one in (*found["others"], found["without_image"]))
    assert "1 answered in " in said and "with the start" in said
    run(["ask", str(asked), str(picture), QUESTION])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{picture} — {QUESTION}" and found["answer"] in lines[0]
    assert lines[-1].endswith("   (without the image)")


def test_a_folder_and_a_file_of_questions(asked, folder, tmp_path, capsys):
    (tmp_path / "questions.txt").write_text(f"{QUESTION}\n\nhow many things are there?\n")
    run(["ask", str(asked), str(folder), str(tmp_path / "questions.txt"), "--json", "--others", "0"])
    told, said = capsys.readouterr()
    found = json.loads(told)
    assert [(one["image"].rsplit("/")[-1], one["question"]) for one in found] == [
        (path.name, question)
        for path in sorted(folder.glob("world*.jpg"))
        for question in (QUESTION, "how many things are there?")
    ]
    assert f"skipped {folder / 'broken.jpg'}: not an image of a known format" in said


def test_captions_take_no_question(asked, folder, features, capsys):
    run(["caption", str(asked), features.ids[0], "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["others"] == [] and found["without_image"]["probability"] > 0


def test_texts_by_their_names(asked, tmp_path, capsys):
    (tmp_path / "texts.jsonl").write_text('{"sentence": "a red circle"}\n')
    run(["ask", str(asked), "none", str(tmp_path / "texts.jsonl"), "--task", "sst2", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["answer"] in ("positive", "negative") and found["without_image"] is None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["ask", "{folder}", "x.jpg", QUESTION], "not a run folder"),
        (["ask", "{run}", "x.jpg", QUESTION], r"x\.jpg: no such file or folder, and not the id of an image"),
        (
            ["ask", "{run}", "{folder}/broken.jpg", QUESTION],
            r"broken\.jpg: cannot be read \(not an image of a known format\)",
        ),
        (["ask", "{run}", "{folder}", "{folder}/q.txt"], r"q\.txt: contains no questions; write one a line"),
        (["ask", "{run}", "{folder}", "{folder}/q.jsonl"], r"q\.jsonl: line 2: is a list; write an object of texts"),
        (["ask", "{run}", "{folder}", "a", "--task", "vqaa"], "unknown task 'vqaa'; did you mean 'vqa'"),
        (
            ["ask", "{run}", "{folder}", "a", "--task", "sst2"],
            "'sst2' is about text alone; write none in place of the image",
        ),
        (
            ["caption", "{run}", "{folder}", "--task", "vqa"],
            "has no task 'vqa' that writes captions; it has vqa, vg_qa",
        ),
    ],
)
def test_what_is_wrong_is_one_line(asked, folder, words, why):
    (folder / "q.txt").write_text("\n")
    (folder / "q.jsonl").write_text('{"question": "what?"}\n[]\n')
    with pytest.raises(UserError, match=why):
        run([word.format(run=asked, folder=folder) for word in words])


def test_a_run_that_sees_no_images_is_asked_from_the_text(lab, blind, folder, capsys):
    with pytest.raises(UserError, match="method 'hyperpelt' sees no images; write none in place of the image"):
        run(["ask", str(blind), str(folder), QUESTION])
