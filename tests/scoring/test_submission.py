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


def test_vizwiz_takes_image_names(tmp_path):
    names = ["VizWiz_test_00000001.jpg", "VizWiz_test_00000000.jpg"]
    asked = write(tmp_path / "test.json", [{"image": name, "question": "What is it?"} for name in names])
    out = tmp_path / "up.json"
    answers = [{"question_id": name, "answer": name[-5]} for name in reversed(names)]
    assert submit("vqa", questions=asked, submission=str(out), predictions=answers).n == 2
    assert json.loads(out.read_text()) == [{"image": names[0], "answer": "1"}, {"image": names[1], "answer": "0"}]
    assert submit("vqa", questions=asked, submission=str(out)).n == 2
    write(out, answers)
    with pytest.raises(UserError, match=r'up\.json: record 1 is .*write it like \{"image"'):
        submit("vqa", questions=asked, submission=str(out))
    write(out, [{"image": names[0], "answer": "1"}])
    with pytest.raises(UserError, match=r"1 of 2 have no prediction \(VizWiz_test_00000000\.jpg\)"):
        submit("vqa", questions=asked, submission=str(out))


@pytest.fixture
def aokvqa(tmp_path):
    records = [
        {"question_id": id, "image_id": 1, "question": "What?", "choices": ["cab", "train"], "split": "test"}
        for id in ("22Mex", "A1")
    ]
    return write(tmp_path / "aokvqa.json", records)


@pytest.mark.parametrize(
    ("answer", "written"),
    [("cab", {"multiple_choice": "cab", "direct_answer": "cab"}), ("a cab", {"direct_answer": "a cab"})],
)
def test_aokvqa_takes_direct_answers_and_choices(tmp_path, aokvqa, answer, written, capsys):
    out = tmp_path / "up.json"
    answers = [{"question_id": id, "answer": answer} for id in ("A1", "22Mex")]
    submit("vqa", questions=aokvqa, submission=str(out), predictions=answers)
    assert json.loads(out.read_text()) == {"22Mex": written, "A1": written}
    assert ("direct answers alone; 2 of 2 answers are none of" in capsys.readouterr().err) == (len(written) == 1)
    assert submit("vqa", questions=aokvqa, submission=str(out)).n == 2


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([{"question_id": "A1", "answer": "cab"}], r'must be an object \{id: \{"direct_answer": "cab"\}\}'),
        ({"A1": "cab"}, r"A1 is 'cab'; write it like"),
        (
            {"A1": {"direct_answer": "x"}, "22Mex": {"multiple_choice": "cab"}},
            "22Mex has multiple_choice, others differ",
        ),
        ({"A1": {"multiple_choice": "bus"}}, "A1: 'bus' is none of its choices"),
        ({"A1": {"direct_answer": "x"}}, r"1 of 2 have no prediction \(22Mex\)"),
        ({"A1": {"direct_answer": 3}}, "A1 is .*write it like"),
    ],
)
def test_what_the_leaderboard_of_aokvqa_refuses_is_one_line(tmp_path, aokvqa, content, fault):
    out = write(tmp_path / "up.json", content)
    with pytest.raises(UserError, match=rf"up\.json: {fault}") as refusal:
        submit("vqa", questions=aokvqa, submission=out)
    assert "\n" not in str(refusal.value)
