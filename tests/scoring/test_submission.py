"""Files for test servers hold every question once, in the server's own keys and kinds."""

import json

import pytest
from vqa_cases import predicted, write

from vlhyper.errors import UserError
from vlhyper.scoring.submission import submit


@pytest.fixture
def questions(tmp_path):
    return write(tmp_path / "q.json", {"questions": [{"question_id": number, "image_id": 1} for number in (3, 1, 2)]})


def test_vqa_file_is_written_with_numbers_in_the_order_of_the_questions(tmp_path, questions):
    out = str(tmp_path / "upload.json")
    report = submit("vqa", questions=questions, submission=out, predictions=predicted({"1": "a", 2: "b", 3: "c"}))
    assert (report.n, report.metrics) == (3, {})
    assert json.loads((tmp_path / "upload.json").read_text()) == predicted({3: "c", 1: "a", 2: "b"})
    assert submit("vqa", questions=questions, submission=out).n == 3


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({1: "a", 2: "b"}, r"1 of 3 have no prediction \(3\)"),
        ({1: "a", 2: "b", 3: "c", 4: "d"}, r"1 ids are not in .*q.json \(4\)"),
    ],
)
def test_faults_are_found_before_the_server_finds_them(tmp_path, questions, answers, fault):
    out = tmp_path / "upload.json"
    with pytest.raises(UserError, match=fault):
        submit("vqa", questions=questions, submission=str(out), predictions=predicted(answers))
    assert not out.exists()


def test_a_file_with_ids_in_quotes_is_refused_by_the_server_and_so_here(tmp_path, questions):
    out = write(tmp_path / "u.json", predicted({"1": "a", "2": "b", 3: "c"}))
    with pytest.raises(UserError, match=r"2 ids are texts \(1, 2\)"):
        submit("vqa", questions=questions, submission=out)


def test_gqa_and_captions(tmp_path):
    out = tmp_path / "u.json"
    questions = write(tmp_path / "g.json", {"07": {"imageId": "n1", "question": "?"}})
    submit("gqa", questions=questions, submission=str(out), predictions=[{"questionId": "07", "prediction": "no"}])
    assert json.loads(out.read_text()) == [{"questionId": "07", "prediction": "no"}]
    assert submit("gqa", questions=questions, submission=str(out)).n == 1
    images = write(tmp_path / "i.json", {"images": [{"id": 9, "file_name": "9.jpg"}]})
    submit("caption", questions=images, submission=str(out), predictions=[{"image_id": 9, "caption": "a dog"}])
    assert json.loads(out.read_text()) == [{"image_id": 9, "caption": "a dog"}]
    with pytest.raises(UserError, match="there is no test server for 'snli-ve'"):
        submit("snli-ve", questions=questions, submission=str(out))


def test_test_questions_that_stand_twice_are_refused(tmp_path):
    asked = write(tmp_path / "q.json", {"questions": [{"question_id": 1}, {"question_id": 1}]})
    with pytest.raises(UserError, match=r"q\.json: duplicate question_id 1;"):
        submit("vqa", questions=asked, submission=str(tmp_path / "s.json"), predictions=predicted({1: "no"}))
    assert not (tmp_path / "s.json").exists()
