"""A-OKVQA, VizWiz, TextVQA and a user's own questions, each in one file: training rows, and the truth of the scorer."""

import json

import pytest

from vlhyper.errors import UserError
from vlhyper.readers import load_rows
from vlhyper.scoring import score
from vlhyper.scoring.truth import find_truth
from vlhyper.tasks import TASKS

TEN = ["cab"] * 4 + ["taxi"] * 3 + ["bus", "train", "truck"]
AOKVQA = {
    "split": "val",
    "image_id": 299207,
    "question_id": "22MexNkBPpdZGX6sxbxVBH",
    "question": "What is the man by the bags awaiting?",
    "choices": ["skateboarder", "train", "delivery", "cab"],
    "correct_choice_idx": 3,
    "direct_answers": TEN,
    "difficult_direct_answer": False,
    "rationales": ["He has luggage."],
}
VIZWIZ = {
    "image": "VizWiz_val_00000000.jpg",
    "question": "What is this?",
    "answers": [{"answer": answer, "answer_confidence": "yes"} for answer in TEN],
    "answer_type": "other",
    "answerable": 1,
}
TEXTVQA = {
    "question": "what is the brand of this camera?",
    "image_id": "003a8ae2ef43b901",
    "image_classes": ["Camera"],
    "image_width": 1024,
    "question_id": 34602,
    "answers": TEN,
    "set_name": "val",
}
HEAD = {"dataset_type": "val", "dataset_name": "textvqa", "dataset_version": "0.5.1"}
HIDDEN = ("answers", "direct_answers", "correct_choice_idx", "answer_type", "answerable")
# By file: what it holds, the id and the image of its one question.
PUBLISHED = {
    "aokvqa_v1p0_val.json": ([AOKVQA], "22MexNkBPpdZGX6sxbxVBH", "299207"),
    "val.json": ([VIZWIZ], "VizWiz_val_00000000.jpg", "VizWiz_val_00000000"),
    "TextVQA_0.5.1_val.json": ({**HEAD, "data": [TEXTVQA]}, "34602", "003a8ae2ef43b901"),
}


def hidden(content):
    if isinstance(content, list):
        return [{key: found for key, found in record.items() if key not in HIDDEN} for record in content]
    return {**content, "data": hidden(content["data"])}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_gives_rows(put, rows, name):
    content, id, image = PUBLISHED[name]
    put(name, content)
    (row,) = rows("vqa-records", {"questions": name})
    assert (row["id"], row["image"]) == (id, image) and row["question"].startswith(("What", "what"))
    assert dict(zip(row["targets"], row["weights"], strict=True)) == {
        "cab": 1.0,
        "taxi": 0.9,
        "bus": 0.3,
        "train": 0.3,
        "truck": 0.3,
    }
    put(f"test_{name}", hidden(content))
    assert rows("vqa-records", {"questions": f"test_{name}"})[0]["targets"] == []


@pytest.mark.parametrize("task", ["vqa", "okvqa"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_is_truth(put, name, task):
    content, id, image = PUBLISHED[name]
    truth = put(name, content)
    report = score(task, predictions=[{"question_id": id, "answer": "Taxi."}], annotations=truth)
    assert report.metrics["overall"] == 90.0 and [str(cluster) for cluster in report.clusters] == [
        image + (".jpg" if name == "val.json" else "")
    ]
    with pytest.raises(UserError, match="no record has an answer"):
        score(task, predictions=[{"question_id": id, "answer": "x"}], annotations=put(f"t_{name}", hidden(content)))


def test_aokvqas_own_figures_stand_beside(put):
    """allenai/aokvqa: min(1, n / 3) of texts as they are, without the questions marked as difficult."""
    records = [
        AOKVQA,
        {**AOKVQA, "question_id": "b", "direct_answers": ["cab", "cab", *TEN[4:], "x", "y"]},
        {**AOKVQA, "question_id": "c", "difficult_direct_answer": True},
    ]
    truth = put("a.json", records)
    predictions = put("p.json", {record["question_id"]: "cab" for record in records[:2]} | {"c": "Cab"})
    report = score("vqa", predictions=predictions, annotations=truth, confidence=True)
    assert report.metrics["direct_answer"] == (1.0 + 2 / 3) / 2 * 100
    assert report.metrics["multiple_choice"] == 2 / 3 * 100
    assert report.metrics["overall"] == pytest.approx((100 + 60 + 100) / 3)
    assert set(report.extra["confidence"]["intervals"]) == {"overall", "direct_answer", "multiple_choice"}
    assert [json.loads(line)["scores"] for line in report.item_lines()][2] == {"overall": 100.0, "multiple_choice": 0.0}


def test_the_leaderboards_file_of_aokvqa_is_read(put):
    truth = put("a.json", [AOKVQA])
    given = put("p.json", {AOKVQA["question_id"]: {"multiple_choice": "cab", "direct_answer": "taxi"}})
    assert score("vqa", predictions=given, annotations=truth).metrics["direct_answer"] == 100.0
    chosen = score("vqa", predictions=given, annotations=truth, answer_key="multiple_choice")
    assert chosen.metrics["multiple_choice"] == 100.0


@pytest.mark.parametrize("given", [{"image": "VizWiz_val_00000000.jpg"}, {"question_id": "VizWiz_val_00000000"}])
def test_a_question_of_vizwiz_is_known_by_its_image(put, given):
    path = put("p.json", [{**given, "answer": "cab"}])
    assert score("vqa", predictions=path, annotations=put("val.json", [VIZWIZ])).metrics["overall"] == 100.0


OWN = {
    "own.jsonl": '{"question_id": "q-1", "image": "a/b.PNG", "question": "Why?", "answer": "red"}\n'
    '{"question_id": "q-2", "image": "c.d", "question": "Who?", "answers": ["red", "blue"]}\n',
    "own.csv": 'question_id,image,question,answers\nq-1,a/b.PNG,Why?,red\nq-2,c.d,Who?,"[""red"", ""blue""]"\n',
    "own.tsv": "id\timage\tquestion\tanswers\nq-1\ta/b.PNG\tWhy?\tred\nq-2\tc.d\tWho?\t['red', 'blue']\n",
    "own.json": [
        {"question_id": "q-1", "image_id": "a/b.PNG", "question": "Why?", "answers": "red"},
        {"question_id": "q-2", "image_id": "c.d", "question": "Who?", "answers": ["red", "blue"]},
    ],
}


@pytest.mark.parametrize("name", OWN)
def test_own_questions_have_text_ids_in_every_layout(put, rows, name):
    truth = put(name, OWN[name])
    found = rows("vqa-records", {"questions": name})
    assert [(row["id"], row["image"], row["targets"]) for row in found] == [
        ("q-1", "b", ["red"]),
        ("q-2", "c.d", ["red", "blue"]),
    ]
    given = put("p.csv", "question_id,answer\nq-1,red\nq-2,green\n")
    report = score("vqa", predictions=given, annotations=truth)
    # One text is the right answer, a list is what so many people said.
    assert report.metrics["overall"] == 50.0 and report.ids == ["q-1", "q-2"]
    assert "1 of 2 questions have fewer than 10" in report.notes[0]


def test_one_right_answer_is_one_truth_whichever_format_reads_it(put, manifest, tmp_path):
    truth = put("own.csv", "question_id,image,question,answer\nq-1,a,Why?,red\nq-2,b,Why?,blue\n")
    fields = {"id": "question_id", "image": "image", "question": "question", "label": "answer"}
    table = manifest("table", {"table": "own.csv"}, fields=fields)
    answers = {"q-1": "red", "q-2": "green"}
    by_rows = find_truth(TASKS["vqa"], table, "train", load_rows(table, "train", tmp_path / "cache")).score(answers)
    by_file = score("vqa", predictions=put("p.json", answers), annotations=truth)
    assert by_rows.metrics == by_file.metrics == {"overall": 50.0}


def test_text_ids_in_the_official_layout(put, rows):
    question = {"question_id": "q-1", "image_id": "my_image", "question": "Why?"}
    put("q.json", {"questions": [question]})
    truth = put("a.json", {"annotations": [{**question, "answers": [{"answer": "red"}] * 10}]})
    (row,) = rows("vqa", {"questions": "q.json", "annotations": "a.json"})
    assert (row["id"], row["image"], row["targets"]) == ("q-1", "my_image", ["red"])
    given = put("p.json", [{"question_id": "q-1", "answer": "red"}])
    assert score("vqa", predictions=given, annotations=truth).metrics["overall"] == 100.0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"direct_answers": []}, r"'direct_answers' is \[\]; it must be a list of answers"),
        ({"direct_answers": [1]}, r"'direct_answers'|'answer'|object"),
        ({"direct_answers": 3}, "'direct_answers' is 3"),
        ({"correct_choice_idx": 4}, "'correct_choice_idx' must be a number from 0 to 3, is 4"),
        ({"question_id": 1.5}, "'question_id' must be an id"),
    ],
    ids=str,
)
def test_what_is_wrong_names_file_and_record(put, change, told):
    truth = put("a.json", [AOKVQA, {**AOKVQA, "question_id": "b"} | change])
    with pytest.raises(UserError, match=rf"a\.json: record 2 .*{told}"):
        score("vqa", predictions=[{"question_id": "b", "answer": "x"}], annotations=truth)
