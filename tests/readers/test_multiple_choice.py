"""Questions with choices, as they are published and as users write them."""

import json

import pytest

from vlhyper.errors import UserError
from vlhyper.readers.multiple_choice import read_multiple_choice, read_multiple_choice_gold
from vlhyper.readers.source import Source

AOKVQA = {
    "split": "val",
    "image_id": 299207,
    "question_id": "22MexNkBPpdZGX6sxbxVBH",
    "question": "What is the man by the bags awaiting?",
    "choices": ["skateboarder", "train", "delivery", "cab"],
    "correct_choice_idx": 3,
    "direct_answers": ["cab"] * 10,
}
SCIENCEQA = {
    "question": "Which of these states is farthest north?",
    "choices": ["West Virginia", "Louisiana"],
    "answer": 0,
    "hint": "",
    "image": "image.png",
    "task": "closed choice",
    "grade": "grade2",
    "subject": "social science",
    "topic": "geography",
    "split": "test",
}
PROBLEMS = {"1": {**SCIENCEQA, "split": "train"}, "4": SCIENCEQA, "5": {**SCIENCEQA, "answer": 1, "image": None}}
PICTURE = "/9j/4AAQ" * 40_000
VLMEVALKIT = (
    "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage\n"
    f'241\t"Which is ""right""?\nOne of them."\t\tdog\tcat\tcow\t\tB\tidentity\t{PICTURE}\n'
)
OWN = {"id": "a", "image": "x.jpg", "question": "?", "options": "['1', '2', '3']", "answer": "2"}


def source(path, content, **options):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Source({"questions": (path,)}, options)


@pytest.mark.parametrize(
    ("name", "content", "ids", "right", "more"),
    [
        ("a.json", [AOKVQA], ["22MexNkBPpdZGX6sxbxVBH"], "D", {"form": "a-okvqa", "image": 299207}),
        ("problems.json", PROBLEMS, [4, 5], "AB", {"form": "scienceqa", "kind": "social science"}),
        ("MMBench.tsv", VLMEVALKIT, [241], "B", {"form": "letters", "kind": "identity"}),
        # A text that is a choice counts as that before it counts as a number.
        ("own.jsonl", json.dumps(OWN) + "\n", ["a"], "B", {"form": "letters", "image": "x.jpg"}),
        ("own.csv", "id,image,question,A,B,answer\n7,x.jpg,?,yes,no,no\n", [7], "B", {"form": "letters"}),
    ],
)
def test_each_layout(tmp_path, name, content, ids, right, more):
    gold = read_multiple_choice_gold(source(tmp_path / name, content))
    assert list(gold.ids) == ids and "".join(one["answer"] for one in gold.right) == right
    assert gold.right[0]["form"] == more["form"]
    assert gold.columns.get("kinds", [[None]])[0][0] == more.get("kind")
    if "image" in more:
        assert str(gold.clusters[0]) == str(more["image"])
    rows = list(read_multiple_choice(source(tmp_path / name, content)))
    assert [row["id"] for row in rows] == list(map(str, ids))
    assert rows[0]["targets"] == [gold.right[0]["choices"][gold.right[0]["answer"]]]


def test_a_question_over_two_lines_and_a_large_picture(tmp_path):
    (row,) = read_multiple_choice(source(tmp_path / "MMBench.tsv", VLMEVALKIT))
    assert row["question"] == 'Which is "right"?\nOne of them.' and row["choices"] == "(A) dog (B) cat (C) cow"
    assert len(row["image"]) < 40


def test_scienceqa_has_all_splits_in_one_file(tmp_path):
    gold = read_multiple_choice_gold(source(tmp_path / "problems.json", PROBLEMS, subset="train"))
    # Each question has a picture of its own, though all are called image.png.
    assert gold.ids == [1] and gold.clusters is None and gold.columns["pictured"] == [True]
    with pytest.raises(UserError, match=r"problems\.json: nothing to score against: has no record of this split"):
        read_multiple_choice_gold(source(tmp_path / "problems.json", PROBLEMS, subset="val"))


def test_hidden_answers_are_others(tmp_path):
    hidden = {key: value for key, value in {**AOKVQA, "question_id": "x"}.items() if key != "correct_choice_idx"}
    gold = read_multiple_choice_gold(source(tmp_path / "a.json", [AOKVQA, hidden]))
    assert len(gold.ids) == 1 and set(gold.others) == {"x"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choices": None}, "has no choices: no list under 'choices' or 'options', and no 'A', 'B'"),
        ({"choices": "dog"}, "'choices' must be a list of 1 to 26 choices, is 'dog'"),
        ({"choices": [True]}, "'choices' must be a list of texts"),
        ({"correct_choice_idx": 4}, "'correct_choice_idx' is 4; it must be the number"),
        ({"correct_choice_idx": "cab"}, "is 'cab'; it must be the number"),
        ({"question_id": None}, "'id' must be an id"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, change, words):
    with pytest.raises(UserError, match=words) as refusal:
        read_multiple_choice_gold(source(tmp_path / "a.json", [{**AOKVQA, **change}]))
    assert "a.json" in str(refusal.value) and "\n" not in str(refusal.value)
