"""A file is what its content says, whatever it is called."""

import json

import pytest
from survey_cases import answers, captions, karpathy, questions, write

from vlhyper.survey.kinds import PREDICTIONS, UNKNOWN, piece_of

BOXES = {"images": [{"id": 1}], "annotations": [{"id": 1, "image_id": 1, "bbox": [0, 0, 1, 1], "category_id": 2}]}
VL_T5 = {"img_id": "2375429", "sent": "What is it?", "label": {"green": 1.0}}
SNLI_VE = {"Flikr30kID": "47", "gold_label": "neutral", "sentence1": "a", "sentence2": "b", "pairID": "47.jpg#2r1n"}
RECORD = {"question_id": 1, "image": "a.jpg", "question": "What is it?", "answer": "a dog"}
GQA = {"2013": {"imageId": "n161313", "question": "Is it overcast?", "answer": "no"}}


def lines(*records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (questions([1]), ("vqa", "questions", "vqa")),
        (answers([1]), ("vqa", "annotations", "vqa")),
        (answers([1], raw_answer="biking"), ("vqa", "annotations", "okvqa")),
        (captions("val2014", [1]), ("coco-captions", "annotations", "caption")),
        (karpathy([(1, "val2014", "test")]), ("karpathy", "annotations", "caption")),
        (BOXES, "marks objects, and has neither captions nor questions"),
        ({"info": {}, "images": [{"id": 1, "file_name": "a.jpg"}]}, "lists images and nothing about them"),
        (GQA, ("gqa", "questions", "gqa")),
        ([{"id": 1, "qas": [{"qa_id": 2}]}], ("visual-genome", "questions", "vg_qa")),
        ([{**VL_T5, "question_id": "vg_98"}], ("vl-t5", "questions", "vg_qa")),
        ([{**VL_T5, "question_id": 458752000}], ("vl-t5", "questions", "vqa")),
        (lines(SNLI_VE, SNLI_VE), ("snli-ve", "annotations", "snli-ve")),
        ([RECORD], ("vqa-records", "questions", "vqa")),
        ({"data": [RECORD]}, ("vqa-records", "questions", "vqa")),
        (lines(RECORD, RECORD), ("vqa-records", "questions", "vqa")),
        ("image;question;answer\na.jpg;What is it?;a dog\n", ("vqa-records", "questions", "vqa")),
        ({"a.jpg": ["A dog.", "A pet."]}, ("references", "annotations", "caption")),
        ("a.jpg#0\tA dog .\n", ("references", "annotations", "caption")),
        ("image,caption\na.jpg,A dog\n", ("references", "annotations", "caption")),
        ("a.jpg\nb.jpg\n", ("references", "images", "caption")),
        ([{"image_id": "a", "caption": "a dog"}], ("references", "annotations", "caption")),
        ([{"question_id": 1, "answer": "dog"}], PREDICTIONS),
        ("These are my photos\nof 2019\n", UNKNOWN),
        ({"c.jpg": "Of a picture that is not there."}, UNKNOWN),
        ({"model": {"vocab": []}}, UNKNOWN),
        ([1, 2], UNKNOWN),
        ("", "is empty"),
        ('{"questions": [', UNKNOWN),
    ],
)
def test_a_file_is_known_by_its_content(content, found, tmp_path):
    told = piece_of(write(tmp_path / "x.txt", content).rename(tmp_path / "x.csv"), {"a", "b"})
    assert (told if isinstance(told, str) else told[1:]) == found


def test_answers_of_a_system_and_vl_t5s_sets_are_told_by_their_names(tmp_path):
    results = write(tmp_path / "captions_val2014_mine_results.json", [{"image_id": "a", "caption": "a dog"}])
    assert piece_of(results, {"a"}) == PREDICTIONS
    assert piece_of(write(tmp_path / "GQA/valid.json", [{**VL_T5, "question_id": "07"}]), ()).task == "gqa"
