import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlhyper.errors import UserError
from vlhyper.readers.source import Source
from vlhyper.readers.vqa import read_vqa

QUESTIONS = [
    {"image_id": 458752, "question": "What is he riding?", "question_id": 458752000},
    {"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000},
]


def annotation(question_id: int, image_id: int, answers: list[str], **more) -> dict:
    people = [{"answer": answer, "answer_confidence": "yes", "answer_id": n} for n, answer in enumerate(answers, 1)]
    return {"question_id": question_id, "image_id": image_id, "answer_type": "other", "answers": people, **more}


ANNOTATIONS = [
    annotation(458752000, 458752, ["skateboard"] * 9 + ["board"]),
    annotation(262148000, 262148, ["down"] * 2 + ["at table"] * 3),
]
FILES = {"questions": "q.json", "annotations": "a.json"}


@pytest.fixture
def pair(put):
    def write(questions=QUESTIONS, annotations=ANNOTATIONS) -> None:
        put("q.json", {"info": {}, "task_type": "Open-Ended", "questions": questions})
        put("a.json", {"info": {}, "license": {}, "annotations": annotations})

    return write


def test_rows_hold_soft_scores(pair, rows):
    pair()
    assert rows("vqa", FILES) == [
        {
            "id": "458752000",
            "image": "458752",
            "question": "What is he riding?",
            "targets": ["skateboard", "board"],
            "weights": [1.0, 0.3],
        },
        {
            "id": "262148000",
            "image": "262148",
            "question": "Where is he looking?",
            "targets": ["at table", "down"],
            "weights": [0.9, 0.6],
        },
    ]


def test_without_annotations_there_are_no_targets(pair, rows):
    pair()
    assert [row["targets"] for row in rows("vqa", {"questions": "q.json"})] == [[], []]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_join_holds_for_every_order_of_both_files(tmp_path_factory, data):
    """Oracle: a dict of all annotations."""
    import json

    numbers = list(range(8))
    questions = [{"question_id": n, "image_id": n, "question": f"{n}?"} for n in data.draw(st.permutations(numbers))]
    annotations = [annotation(n, n, [f"answer {n}"]) for n in data.draw(st.permutations(numbers))]
    folder = tmp_path_factory.mktemp("join")
    (folder / "q.json").write_text(json.dumps({"questions": questions}))
    (folder / "a.json").write_text(json.dumps({"annotations": annotations}))
    source = Source({"questions": (folder / "q.json",), "annotations": (folder / "a.json",)})
    found = {row["id"]: (row["question"], row["targets"]) for row in read_vqa(source)}
    assert found == {str(n): (f"{n}?", [f"answer {n}"]) for n in numbers}


def test_questions_without_annotations_are_named(pair, rows):
    pair(annotations=ANNOTATIONS[:1])
    with pytest.raises(UserError, match=r"q\.json: 1 questions without annotations \(question_id 262148000\)"):
        rows("vqa", FILES)


def test_annotations_without_questions_are_named(pair, rows):
    pair(questions=QUESTIONS[1:])
    with pytest.raises(UserError, match=r"a\.json: 1 annotations without questions \(question_id 458752000\)"):
        rows("vqa", FILES)


@pytest.mark.parametrize("order", [[0, 1, 0], [0, 0, 1]])
def test_doubled_questions_are_refused(pair, rows, order):
    pair([QUESTIONS[n] for n in order], [ANNOTATIONS[n] for n in order])
    with pytest.raises(UserError, match="duplicate id 458752000; remove one"):
        rows("vqa", FILES)


@pytest.mark.parametrize("order", [[0, 0, 1], [0, 1, 0], [1, 1, 0]])
@pytest.mark.parametrize("file", ["q", "a"])
def test_an_id_that_stands_twice_in_one_of_the_files_is_named(pair, rows, order, file):
    double = QUESTIONS[order[0]]["question_id"]
    both = {"questions": QUESTIONS, "annotations": ANNOTATIONS}
    role = "questions" if file == "q" else "annotations"
    pair(**{**both, role: [both[role][n] for n in order]})
    with pytest.raises(UserError, match=rf"{file}\.json: duplicate question_id {double};"):
        rows("vqa", FILES)


def test_a_wrong_record_is_named_with_file_number_and_id(pair, rows):
    pair(questions=[QUESTIONS[0], {"question_id": 5, "image_id": 5, "question": None}])
    with pytest.raises(UserError, match=r"q\.json: record 2 \(question_id 5\) 'question' must be text, is None"):
        rows("vqa", FILES)


def test_okvqa_answers_stemmed_or_raw(put, rows):
    people = [{"answer_id": 1, "raw_answer": "racing", "answer": "race", "answer_confidence": "yes"}]
    put("q.json", {"questions": [{"question_id": 516065, "image_id": 51606, "question": "What sport?"}]})
    put("a.json", {"annotations": [{"question_id": 516065, "image_id": 51606, "answers": people}]})
    assert rows("vqa", FILES)[0]["targets"] == ["race"]
    assert rows("vqa", FILES, answers="raw")[0]["targets"] == ["racing"]


def test_karpathys_split_of_the_official_files(pair, put, rows):
    pair()
    images = [("train", 1), ("restval", 458752), ("test", 262148)]
    put("coco.json", {"images": [{"split": split, "cocoid": number} for split, number in images]})
    files = {**FILES, "karpathy": "coco.json"}
    assert [row["image"] for row in rows("vqa", files, split={"subset": "train"})] == ["458752"]
    assert [row["image"] for row in rows("vqa", files, split={"subset": "test"})] == ["262148"]


def test_real_files(shared, manifest, rows):
    files = {"questions": "vqav2_smallval_questions.json", "annotations": "vqav2_smallval_annotations.json"}
    found = rows("vqa", files, root=str(shared / "vqa"))
    assert len(found) == 589
    assert found[0] == {
        "id": "42000",
        "image": "42",
        "question": "What color are the gym shoes?",
        "targets": ["white", "white and black"],
        "weights": [1.0, 0.3],
    }
    assert all(row["targets"] for row in found)
    assert (
        len(rows("vqa", {"questions": "OpenEnded_mscoco_val2014_questions.json"}, root=str(shared / "okvqa"))) == 5046
    )
