"""Oracle: the careful reader. The quick way gives the same columns or none."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vqa_cases import annotation, karpathy, official, predicted, write

from vlhyper.errors import UserError
from vlhyper.readers import people
from vlhyper.readers.people import people_gold
from vlhyper.readers.vqa import question_ids
from vlhyper.scoring import score
from vlhyper.scoring.predictions import read_predictions
from vlhyper.scoring.vqa import VQA

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


LAYOUTS = {"annotations": official, None: karpathy}


@pytest.fixture
def careful(monkeypatch):
    """careful(path, ...): the gold without the quick way."""

    def read(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(people, "quick", lambda *_: None)
            return people_gold(*arguments)

    return read


@pytest.mark.parametrize("key", LAYOUTS)
def test_usual_files_go_the_quick_way_and_give_the_same(tmp_path, careful, key):
    path = Path(LAYOUTS[key](tmp_path / "a.json", RECORDS))
    assert people.quick(path, key, "answer") is not None
    assert people_gold([path], key) == careful([path], key)


def test_a_file_without_images_or_types_goes_the_quick_way(tmp_path, careful):
    bare = [{"question_id": 7, "answers": [{"raw_answer": "racing"}]}]
    path = Path(official(tmp_path / "a.json", bare))
    assert people_gold([path], "annotations", "raw") == careful([path], "annotations", "raw")
    assert people.quick(path, "annotations", "raw_answer") is not None
    assert people.quick(path, "annotations", "answer") is None


@pytest.mark.parametrize("change", RIGHT, ids=str)
def test_what_is_right_and_unusual_is_read_with_care(tmp_path, careful, change):
    path = Path(official(tmp_path / "a.json", [*RECORDS, annotation(1002, ["no"] * 3) | change]))
    gold = careful([path], "annotations")
    assert gold.ids[-1] == 1002
    assert people_gold([path], "annotations") == gold


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_what_is_wrong_is_worded_by_the_careful_reader(tmp_path, change):
    path = Path(official(tmp_path / "a.json", [*RECORDS, annotation(1002, ["no"] * 3) | change]))
    with pytest.raises(UserError, match=r"a\.json"):
        people_gold([path], "annotations")


def test_several_files_are_one_and_an_id_in_two_is_refused(tmp_path):
    paths = [Path(official(tmp_path / f"{n}.json", [record])) for n, record in enumerate(RECORDS)]
    assert people_gold(paths, "annotations") == people_gold(
        [Path(official(tmp_path / "a.json", RECORDS))], "annotations"
    )
    with pytest.raises(UserError, match=r"0\.json, .*0\.json: duplicate question_id 1000"):
        people_gold([paths[0], paths[0]], "annotations")


def test_a_list_with_image_ids_is_clustered_by_image(tmp_path):
    """VQA-CP's files are such lists."""
    assert list(people_gold([Path(write(tmp_path / "a.json", RECORDS))], None).clusters) == [1, 1]


def test_a_skipped_field_in_another_encoding_is_an_error_too(tmp_path):
    path = official(tmp_path / "a.json", RECORDS)
    text = (tmp_path / "a.json").read_bytes()
    (tmp_path / "a.json").write_bytes(text.replace(b'"answer_confidence": "yes"', b'"answer_confidence": "\xff"', 1))
    with pytest.raises(UserError, match="not UTF-8"):
        people_gold([Path(path)], "annotations")


@pytest.mark.parametrize("head", ["", "\ufeff", " \n"])
def test_questions_are_read_as_object_and_as_list(tmp_path, head):
    records = [{"question_id": 5, "question": "?"}, {"question_id": 3, "question": "?"}]
    for value in ({"questions": records}, records, [{"question_id": "5"}, {"question_id": 3}]):
        path = tmp_path / "q.json"
        path.write_text(head + json.dumps(value), encoding="utf-8")
        assert question_ids(path) == [5, 3]


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=5))
records = st.fixed_dictionaries({}, optional={"question_id": st.one_of(st.integers(0, 3), values), "answer": values})


@given(st.lists(records, max_size=3))
@settings(deadline=None)
def test_predictions_from_a_file_are_those_from_a_list(tmp_path_factory, given_records):
    path = write(tmp_path_factory.getbasetemp() / "p.json", given_records)
    assert outcome(path) == outcome(given_records)


def outcome(source):
    try:
        return read_predictions(source, VQA.predictions)
    except UserError as error:
        return str(error).partition(": ")[2]


def test_a_report_is_the_same_either_way(tmp_path, monkeypatch):
    path = official(tmp_path / "a.json", RECORDS)
    answers = write(tmp_path / "p.json", predicted({1000: "yes", 1001: "2"}))
    quick = score("vqa", predictions=answers, annotations=path).to_json()
    monkeypatch.setattr(people, "quick", lambda *_: None)
    assert score("vqa", predictions=answers, annotations=path).to_json() == quick
