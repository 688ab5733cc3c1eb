"""Oracle: the careful reader. The quick way gives the same columns or none."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vqa_cases import annotation, karpathy, official, predicted, write

from vlhyper.errors import UserError
from vlhyper.metrics import vqa_files
from vlhyper.metrics.vqa import read_predictions
from vlhyper.scoring import score

RECORDS = [
    annotation(1000, ["yes"] * 9 + ["Ja, schön"], is_topk_optimal=True),
    annotation(1001, ["2", "two", 'quoted "word"'], is_topk_optimal=False),
]
# One record of the usual form, changed so that it stays right, or is wrong.
RIGHT = [
    {"question_id": "1002"},
    {"image_id": 1.5},
    {"image_id": None},
    {"answer_type": None},
    {"is_topk_optimal": None},
    {"is_topk_optimal": 1},
    {"answers": ["yes", "no"]},
    {"confidence": float("nan")},
    {"note": "\ud800"},
    {"answers": [{"answer": "\udc00"}]},
]
WRONG = [
    {"question_id": True},
    {"question_id": 1.0},
    {"question_id": None},
    {"question_type": 3},
    {"answer_type": ["other"]},
    {"image_id": [1]},
    {"is_topk_optimal": "false"},
    {"answers": []},
    {"answers": None},
    {"answers": [{"answer": 3}]},
    {"answers": [{"text": "yes"}]},
    {"question_id": 1000},
]


@pytest.mark.parametrize("layout", [official, karpathy])
def test_usual_files_go_the_quick_way_and_give_the_same(tmp_path, layout):
    path = layout(tmp_path / "a.json", RECORDS)
    assert vqa_files._usual(path, "answer") == vqa_files._unusual(path, "answer")


def test_a_file_without_images_or_types_goes_the_quick_way(tmp_path):
    bare = [{"question_id": 7, "answers": [{"raw_answer": "racing"}]}]
    path = official(tmp_path / "a.json", bare)
    assert vqa_files._usual(path, "raw_answer") == vqa_files._unusual(path, "raw_answer")
    assert vqa_files._usual(path, "answer") is None


@pytest.mark.parametrize("change", RIGHT, ids=str)
def test_what_is_right_and_unusual_is_read_with_care(tmp_path, change):
    path = official(tmp_path / "a.json", [*RECORDS, annotation(1002, ["no"] * 3) | change])
    quick = vqa_files._usual(path, "answer")
    careful = vqa_files.read_truth(path)
    assert careful.ids[-1] == 1002
    assert quick is None or quick == careful


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_what_is_wrong_is_worded_by_the_careful_reader(tmp_path, change):
    path = official(tmp_path / "a.json", [*RECORDS, annotation(1002, ["no"] * 3) | change])
    with pytest.raises(UserError, match=r"a\.json"):
        vqa_files.read_truth(path)


def test_a_skipped_field_in_another_encoding_is_an_error_too(tmp_path):
    path = official(tmp_path / "a.json", RECORDS)
    text = (tmp_path / "a.json").read_bytes()
    (tmp_path / "a.json").write_bytes(text.replace(b'"answer_confidence": "yes"', b'"answer_confidence": "\xff"', 1))
    with pytest.raises(UserError, match="not UTF-8"):
        vqa_files.read_truth(path)


@pytest.mark.parametrize("head", ["", "\ufeff", " \n"])
def test_questions_are_read_as_object_and_as_list(tmp_path, head):
    records = [{"question_id": 5, "question": "?"}, {"question_id": 3, "question": "?"}]
    for value in ({"questions": records}, records, [{"question_id": "5"}, {"question_id": 3}]):
        path = tmp_path / "q.json"
        path.write_text(head + json.dumps(value), encoding="utf-8")
        assert vqa_files.question_ids(str(path)) == [5, 3]


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=5))
records = st.fixed_dictionaries({}, optional={"question_id": st.one_of(st.integers(0, 3), values), "answer": values})


@given(st.lists(records, max_size=3))
@settings(deadline=None)
def test_predictions_from_a_file_are_those_from_a_list(tmp_path_factory, given_records):
    path = write(tmp_path_factory.getbasetemp() / "p.json", given_records)
    assert outcome(path) == outcome(given_records)


def outcome(source):
    try:
        return read_predictions(source)
    except UserError as error:
        return str(error).partition(": ")[2]


def test_a_report_is_the_same_either_way(tmp_path, monkeypatch):
    path = official(tmp_path / "a.json", RECORDS)
    answers = write(tmp_path / "p.json", predicted({1000: "yes", 1001: "2"}))
    quick = score("vqa", predictions=answers, annotations=path).to_json()
    monkeypatch.setattr(vqa_files, "_usual", lambda *_: None)
    assert score("vqa", predictions=answers, annotations=path).to_json() == quick
