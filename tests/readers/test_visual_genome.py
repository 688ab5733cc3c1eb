import pytest

from vlhyper.errors import UserError
from vlhyper.readers.visual_genome import short_answer


def test_every_question_of_every_image_is_a_row(put, rows):
    qa = {"qa_id": 986768, "image_id": 1, "question": "What color is the clock?", "answer": "Green.", "q_objects": []}
    put("qa.json", [{"id": 1, "qas": [qa, {**qa, "qa_id": 2}]}, {"id": 2, "qas": []}])
    found = rows("visual-genome", {"questions": "qa.json"})
    assert [row["id"] for row in found] == ["986768", "2"]
    assert (found[0]["image"], found[0]["targets"]) == ("1", ["green"])


@pytest.mark.parametrize(
    ("written", "short"), [("Green.", "green"), ("In a room.", "in a room"), (" 2:10 P.M. ", "2:10 p.m"), ("4", "4")]
)
def test_answers_become_lower_case_words(written, short):
    assert short_answer(written) == short


def test_an_answer_of_nothing_but_a_full_stop_is_no_target(put, rows):
    put("qa.json", [{"id": 1, "qas": [{"qa_id": 3, "image_id": 1, "question": "Who?", "answer": " . "}]}])
    assert rows("visual-genome", {"questions": "qa.json"})[0]["targets"] == []


def test_a_wrong_question_is_named(put, rows):
    put("qa.json", [{"id": 9, "qas": [{"qa_id": 3, "image_id": 9, "question": "Who?"}]}])
    with pytest.raises(UserError, match=r"qa\.json: record 1 \(id 9\) qa_id 3: has no 'answer'"):
        rows("visual-genome", {"questions": "qa.json"})


def test_real_file(shared, rows):
    found = rows("visual-genome", {"questions": "question_answers.json"}, root=str(shared / "vgqa"))
    assert (found[0]["id"], found[0]["image"], found[0]["targets"]) == ("987278", "4", ["sailboats"])
    assert {row["image"] for row in found} == {"4", "5"}
