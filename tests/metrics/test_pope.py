"""POPE against its evaluation program, written out from its description, and scikit-learn."""

import json
import random

import pytest
from sklearn import metrics

from vlhyper.metrics.pope import VARIANTS, yes_or_no
from vlhyper.scoring import score

ANSWERS = ["Yes", "No", "no", "yes, there is.", "No, there is no dog.", "There is not one", "NO", "", "nope", "no dog"]
ANSWERS += ["There is a dog. No cat", "Yes.No", "not,", "knot", "No\nthere", "I do not know"]


def question(number, label, **more):
    image = f"COCO_val2014_{number // 6:012d}.jpg"
    return {"question_id": number, "image": image, "text": "Is there a car in the image?", "label": label, **more}


@pytest.fixture
def drawn(tmp_path):
    draw = random.Random(4)
    labels = [draw.choice(["yes", "no"]) for _ in range(120)]
    path = tmp_path / "coco_pope_random.json"
    # Lines of JSON in a file that is called .json, as it is published.
    path.write_text("".join(json.dumps(question(number, label)) + "\n" for number, label in enumerate(labels, 1)))
    return path, labels, [draw.choice(ANSWERS) for _ in labels]


def test_words_that_make_an_answer_no():
    said = {text: yes_or_no(text) for text in ANSWERS}
    no = {"No", "no", "No, there is no dog.", "There is not one", "not,", "no dog", "I do not know"}
    assert {text for text, one in said.items() if one == "no"} == no
    assert [yes_or_no(text, "lmms-eval") for text in (" YES ", "No", "no.", "")] == ["yes", "no", "neither", "neither"]


def test_figures_are_scikit_learns(drawn):
    path, labels, answers = drawn
    given = [{"question_id": number, "answer": text} for number, text in enumerate(answers, 1)]
    report = score("pope", predictions=given, annotations=path, confidence=True)
    told = [yes_or_no(text) == "yes" for text in answers]
    truth = [label == "yes" for label in labels]
    right = {
        "accuracy": metrics.accuracy_score(truth, told),
        "precision": metrics.precision_score(truth, told),
        "recall": metrics.recall_score(truth, told),
        "f1": metrics.f1_score(truth, told),
        "yes_ratio": sum(told) / len(told),
    }
    assert report.metrics == pytest.approx({name: 100 * value for name, value in right.items()})
    assert set(report.to_json()["confidence"]["intervals"]) == set(right)


def test_answers_without_ids_are_in_the_order_of_the_questions(drawn, tmp_path, capsys):
    """The form that the authors ask for."""
    path, _, answers = drawn
    (tmp_path / "answer.json").write_text(
        "".join(json.dumps({"question": "is there a car in the image?", "answer": text}) + "\n" for text in answers)
    )
    found = score("pope", predictions=tmp_path / "answer.json", annotations=path).metrics
    assert "records without ids, taken in the order of the annotations" in capsys.readouterr().err
    given = [{"question_id": number, "answer": text} for number, text in enumerate(answers, 1)]
    assert found == score("pope", predictions=given, annotations=path).metrics
    lava = "".join(json.dumps({"question_id": n, "prompt": "?", "text": t}) + "\n" for n, t in enumerate(answers, 1))
    (tmp_path / "lava.jsonl").write_text(lava)
    assert found == score("pope", predictions=tmp_path / "lava.jsonl", annotations=path).metrics


def test_lmms_evals_figures(drawn):
    path, labels, answers = drawn
    given = [{"question_id": number, "answer": text} for number, text in enumerate(answers, 1)]
    found = score("pope", predictions=given, annotations=path, variant="lmms-eval").metrics
    pairs = [(label, text.lower().strip()) for label, text in zip(labels, answers, strict=True)]
    count = pairs.count
    assert found == pytest.approx(
        {
            "accuracy": 100 * (count(("yes", "yes")) + count(("no", "no"))) / 120,
            "precision": 100 * (p := count(("yes", "yes")) / (count(("yes", "yes")) + count(("no", "yes")))),
            "recall": 100 * (r := count(("yes", "yes")) / (count(("yes", "yes")) + count(("yes", "no")))),
            "f1": 100 * 2 * p * r / (p + r),
            "yes_ratio": 100 * labels.count("yes") / 120,
        }
    )
    assert set(VARIANTS) == {"official", "lmms-eval"}


def test_a_table_with_categories(tmp_path):
    """VLMEvalKit's: Yes and No in capitals, predictions in the same table."""
    head = "index\tquestion\tanswer\tcategory\timage\n"
    rows = ["0\tIs there a car?\tYes\trandom\t/9j/4A\n", "1\tIs there a cup?\tNo\tpopular\t/9j/4A\n"]
    (tmp_path / "POPE.tsv").write_text(head + "".join(rows))
    said = "index\tquestion\tanswer\tcategory\tprediction\n0\t?\tYes\trandom\tYes\n1\t?\tNo\tpopular\tYes\n"
    (tmp_path / "m_POPE.tsv").write_text(said)
    report = score("pope", predictions=tmp_path / "m_POPE.tsv", annotations=tmp_path / "POPE.tsv")
    assert (report.metrics["accuracy"], report.metrics["category"]["random"]["f1"]) == (50.0, 100.0)
    assert report.metrics["category"]["popular"] == {"accuracy": 0.0, "precision": 0.0, "yes_ratio": 100.0}
    assert "category/popular/recall" in report.skipped
