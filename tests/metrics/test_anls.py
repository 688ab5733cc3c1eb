"""ANLS against the definition of DocVQA's evaluation program, written out from its description."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlhyper.errors import UserError
from vlhyper.metrics.anls import anls, levenshtein
from vlhyper.scoring import score


def edits(a, b):
    """By its recursive definition."""
    if not a or not b:
        return len(a) + len(b)
    return min(edits(a[1:], b) + 1, edits(a, b[1:]) + 1, edits(a[1:], b[1:]) + (a[0] != b[0]))


def program(prediction, answers):
    shares = []
    for answer in answers:
        right = " ".join(answer.strip().lower().split())
        said = " ".join(prediction.strip().lower().split())
        length = max(len(answer.upper()), len(prediction.upper()))
        shares.append(levenshtein(right, said) / length if length else 0.0)
    similarity = 1 - min(shares)
    return 0.0 if similarity < 0.5 else similarity


texts = st.text(st.sampled_from("abC ß\t"), max_size=6)


@settings(deadline=None)
@given(a=st.text("ab", max_size=4), b=st.text("ab", max_size=4))
def test_edits(a, b):
    assert levenshtein(a, b) == edits(a, b)


@settings(deadline=None)
@given(prediction=texts, answers=st.lists(texts, min_size=1, max_size=3))
def test_an_answer_counts_as_in_the_program(prediction, answers):
    assert anls(prediction, answers) == 100 * program(prediction, answers)


@pytest.mark.parametrize(
    ("prediction", "answers", "right"),
    [
        ("UNIVERSITY of  california", ["university of california"], 100 * (1 - 0 / 25)),
        ("hella", ["hello"], 80.0),
        ("he", ["hello"], 0.0),
        ("abcd", ["ab"], 50.0),
        ("abcde", ["ab"], 0.0),
        # A surplus space is forgiven, and lengthens what edits are divided by.
        ("a  c", ["a b"], 75.0),
        ("", [""], 100.0),
    ],
)
def test_by_hand(prediction, answers, right):
    assert anls(prediction, answers) == right


def test_what_cannot_be_scored():
    for answers in ([], "ab", [7]):
        with pytest.raises(UserError, match="ANLS needs a text and a list of texts"):
            anls("a", answers)


DOCVQA = [
    {
        "questionId": 337 + number,
        "question": "what is the date mentioned in this letter?",
        "question_types": kinds,
        "image": "documents/xnbl0037_1.png",
        "docId": 279,
        "ucsf_document_id": "xnbl0037",
        "answers": ["1/8/93", "january 8, 1993"],
        "data_split": "val",
    }
    for number, kinds in enumerate((["handwritten", "form"], ["form"], []))
]
INFOGRAPHIC = {
    "questionId": 98313,
    "question": "Which one?",
    "image_local_name": "20471.jpeg",
    "image_url": "",
    "ocr_output_file": "20471.json",
    "answers": ["instagram"],
    "data_split": "val",
    "answer_type": ["single span"],
}
ST_VQA = {
    "question": "What is the name?",
    "answers": ["Windermere"],
    "question_id": 9,
    "file_path": "VizWiz/a.jpg",
    "dataset": "VizWiz",
    "set_name": "train",
}


def put(path, content):
    path.write_text(json.dumps(content))
    return path


def test_docvqa_from_its_files(tmp_path):
    truth = put(tmp_path / "val_v1.0.json", {"dataset_name": "docvqa", "dataset_split": "val", "data": DOCVQA})
    answers = [{"questionId": 337, "answer": "1/8/94"}, {"questionId": 338, "answer": "1/8/93"}]
    answers += [{"questionId": 339, "answer": "no"}]
    report = score("docvqa", predictions=put(tmp_path / "p.json", answers), annotations=truth, confidence=True)
    assert report.metrics == {
        "ANLS": 100 * ((5 / 6 + 1.0) / 3),
        "question_type": {"form": 100 * ((5 / 6 + 1.0) / 2), "handwritten": 100 * (5 / 6)},
    }
    assert report.to_json()["confidence"]["resampled"] == "image"


@pytest.mark.parametrize(("record", "kind"), [(INFOGRAPHIC, "single span"), (ST_VQA, None)])
def test_infographicvqa_and_st_vqa(tmp_path, record, kind):
    truth = put(tmp_path / "t.json", {"data": [record]})
    key = "questionId" if "questionId" in record else "question_id"
    given = put(tmp_path / "p.json", [{key: record[key], "answer": record["answers"][0].upper()}])
    report = score("anls", predictions=given, annotations=truth)
    assert report.metrics["ANLS"] == 100.0 and set(report.metrics.get("question_type", {})) == (
        {kind} if kind else set()
    )
    # The same file is a truth of VQA accuracy too.
    assert score("vqa", predictions=given, annotations=truth).n == 1


def test_a_sentence_is_scored_beside(tmp_path):
    truth = put(tmp_path / "t.json", {"data": [INFOGRAPHIC]})
    said = "The answer is Instagram."
    given = put(tmp_path / "p.json", [{"questionId": 98313, "answer": said}])
    report = score("docvqa", predictions=given, annotations=truth, chat=True).to_json()
    assert report["metrics"]["ANLS"] == 0.0 and report["answers_from_sentences"]["metrics"]["ANLS"] == 100.0


def test_long_answers_take_no_time_where_they_cannot_count():
    draw = random.Random(1)
    long = "".join(draw.choices("abc ", k=20_000))
    assert anls(long, ["abc"] * 200) == 0.0
