import json

import pytest

from vlhyper.errors import UserError

RECORD = {
    "imageId": "n161313",
    "question": "Is it overcast?",
    "answer": "no",
    "fullAnswer": "No, it is clear.",
    "isBalanced": True,
    "groups": {"global": None, "local": "13-weather"},
    "entailed": ["201307252"],
    "types": {"structural": "verify", "semantic": "global", "detailed": "weatherVerify"},
    "semantic": [{"operation": "select", "argument": "scene", "dependencies": []}],
}


def test_rows(put, rows):
    put("q.json", {"201307251": RECORD})
    assert rows("gqa", {"questions": "q.json"}) == [
        {"id": "201307251", "image": "n161313", "question": "Is it overcast?", "targets": ["no"], "weights": [1.0]}
    ]


def test_without_answers_there_are_no_targets(put, rows):
    put("q.json", {"1": {"imageId": "n1", "question": "Why?"}})
    assert rows("gqa", {"questions": "q.json"})[0]["targets"] == []


def test_an_empty_answer_is_no_target(put, rows):
    put("q.json", {"1": {**RECORD, "answer": ""}})
    assert rows("gqa", {"questions": "q.json"})[0]["targets"] == []


def test_chunks_of_a_folder_are_read_in_the_order_of_their_numbers(put, rows):
    for number in range(12):
        put(f"train_all_questions/train_all_questions_{number}.json", {str(number): RECORD})
    put("train_all_questions/readme.txt", "no chunk")
    assert [row["id"] for row in rows("gqa", {"questions": "train_all_questions"})] == [str(n) for n in range(12)]


def test_a_question_in_two_chunks_is_refused(put, rows):
    for number in range(2):
        put(f"chunks/c_{number}.json", {"same": RECORD})
    with pytest.raises(UserError, match="duplicate id same; remove one"):
        rows("gqa", {"questions": "chunks"})


def test_a_question_that_stands_twice_in_one_object_is_refused(put, rows):
    """A decoder would keep the last of them without a word."""
    one, other = json.dumps({"same": RECORD}), json.dumps({"same": {**RECORD, "answer": "yes"}})
    put("q.json", one[:-1] + ", " + other[1:])
    with pytest.raises(UserError, match=r"q\.json\): duplicate id same"):
        rows("gqa", {"questions": "q.json"})


def test_an_empty_folder_is_named(tmp_path, rows):
    (tmp_path / "chunks").mkdir()
    with pytest.raises(UserError, match=r"chunks: no \.json chunk"):
        rows("gqa", {"questions": "chunks"})


@pytest.mark.parametrize(
    "record", [None, [], {"question": "Why?"}, {"imageId": "1"}, {"imageId": 1.5, "question": "?"}]
)
def test_a_wrong_record_is_named(put, rows, record):
    put("q.json", {"7": RECORD, "8": record})
    with pytest.raises(UserError, match=r"q\.json: record 2 \(8\)"):
        rows("gqa", {"questions": "q.json"})


def test_real_records(shared, rows):
    found = rows("gqa", {"questions": "testdev_balanced_head_1733.json"}, root=str(shared / "gqa"))
    assert len(found) == 1733
    assert found[0]["id"], found[0]["targets"] == ("201030459", ["couch"])
