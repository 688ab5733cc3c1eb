"""Oracle: the official evaluator's scores of real and hostile items, and its formula worked by hand."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vqa_cases import annotation, karpathy, official, predicted, write

from vlhyper.errors import UserError
from vlhyper.metrics import vqa_accuracy
from vlhyper.metrics.vqa import VARIANTS
from vlhyper.scoring import score

words = st.sampled_from(["black", "Black.", "two", "2", "the cat", "a  cat!", "", "İ", "1,000"])


@pytest.mark.parametrize(("count", "expected"), [(0, 0.0), (1, 30.0), (2, 60.0), (3, 90.0), (4, 100.0), (10, 100.0)])
def test_agreement_of_ten(count, expected):
    assert vqa_accuracy("red", ["red"] * count + ["blue"] * (9 - count) + ["green"] * (count < 10)) == expected


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        # Ten equal answers: the official program compares them as they stand, up to spaces at the ends.
        ("Black.", ["black"] * 10, (0.0, 100.0, 100.0, 100.0)),
        (" black\n", ["black "] * 10, (100.0, 0.0, 100.0, 100.0)),
        ("two", ["two"] * 10, (100.0, 0.0, 100.0, 100.0)),
        # Answers that differ: VL-T5 leaves number words and articles in people's answers.
        ("2", ["two"] * 9 + ["three"], (100.0, 0.0, 100.0, 100.0)),
        ("cat", ["the cat"] * 3 + ["cat"] * 7, (100.0, 100.0, 100.0, 100.0)),
        ("t shirt", ["t-shirt"] * 2 + ["shirt"] * 8, (60.0, 60.0, 60.0, 60.0)),
    ],
)
def test_variants_disagree_where_they_are_known_to(prediction, answers, expected):
    assert tuple(vqa_accuracy(prediction, answers, variant) for variant in VARIANTS) == expected


def test_variants_of_python_3_take_any_digit_for_one():
    answers = ["1٣"] * 5 + ["x"] * 5
    assert [vqa_accuracy("1.٣", answers, variant) for variant in VARIANTS] == [100.0, 0.0, 0.0, 0.0]


def test_lmms_eval_takes_commas_in_a_row_for_those_of_a_number():
    answers = ["1,,2 -"] * 5 + ["x"] * 5
    assert [vqa_accuracy("12", answers, variant) for variant in VARIANTS] == [0.0, 0.0, 100.0, 100.0]


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("dog's bed", ["dog's,bed"] * 3 + ["x"] * 7, 0.0),
        ("dog 'sbed", ["dog's,bed"] * 3 + ["x"] * 7, 90.0),
        ("Moe's?", ["moe 's"] * 2 + ["x"] * 8, 60.0),
        ("1,000", ["1000"] * 10, 100.0),
    ],
)
def test_textvqa_is_mmfs_evaluator(prediction, answers, expected):
    """Figures of facebookresearch/mmf, TextVQAAccuracyEvaluator."""
    assert vqa_accuracy(prediction, answers, "textvqa") == expected


def test_lmms_eval_has_other_rules_for_okvqa(tmp_path):
    annotations = official(tmp_path / "a.json", [annotation(1, ["dog's,bed"] * 5 + ["x"] * 5)])
    figures = {}
    for answer in ("dog 'sbed", "dog's bed"):
        given = predicted({1: answer})
        for task in ("vqa", "okvqa"):
            report = score(task, predictions=given, annotations=annotations, variant="lmms-eval")
            figures[answer, task] = report.metrics["overall"]
    # The task ok_vqa removes the comma and parts the possessive; vqav2 makes the comma a space.
    assert list(figures.values()) == [0.0, 100.0, 100.0, 0.0]


@pytest.mark.parametrize(("prediction", "answers"), [("a", "abc"), (None, ["a"]), ("a", ["a", 7]), ("a", [])])
def test_accuracy_takes_a_text_and_a_list_of_texts(prediction, answers):
    with pytest.raises(UserError, match="needs a text and a list of texts"):
        vqa_accuracy(prediction, answers)


def test_other_numbers_of_people():
    assert vqa_accuracy("a", ["b"]) == 0.0
    assert vqa_accuracy("red", ["red", "blue"]) == pytest.approx(100 / 6)
    assert vqa_accuracy("red", ["red"]) == 0.0
    with pytest.raises(ValueError, match="at least one answer"):
        vqa_accuracy("red", [])
    with pytest.raises(UserError, match="did you mean 'vl-t5'"):
        vqa_accuracy("red", ["red"], "vlt5")


@settings(deadline=None)
@given(words, st.lists(words, min_size=10, max_size=10), st.randoms(), st.sampled_from(sorted(VARIANTS)))
def test_ten_people_give_one_of_five_scores_in_any_order(prediction, answers, random, variant):
    accuracy = vqa_accuracy(prediction, answers, variant)
    assert accuracy in (0.0, 30.0, 60.0, 90.0, 100.0)
    shuffled = random.sample(answers, len(answers))
    assert vqa_accuracy(prediction, shuffled, variant) == accuracy


def test_figures_of_a_small_file(tmp_path):
    records = [
        annotation(1000, ["yes"] * 10, "is it", "yes/no"),
        annotation(1001, ["red"] * 2 + ["blue"] * 8, "what color"),
        annotation(2000, ["no"] * 10, "is it", "yes/no"),
    ]
    path = official(tmp_path / "a.json", records)
    report = score("vqa", predictions=predicted({1000: "yes", 1001: "red", 2000: "yes"}), annotations=path)
    assert report.metrics == {
        "overall": pytest.approx(160 / 3),
        "answer_type": {"yes/no": 50.0, "other": 60.0},
        "question_type": {"is it": 50.0, "what color": 60.0},
    }
    assert (report.n, report.total, report.variant) == (3, 3, "official")
    assert report.clusters == [1, 1, 2]
    assert set(report.skipped) == {"in_domain", "out_domain"}
    lines = [json.loads(line) for line in report.item_lines()]
    assert lines[1] == {"id": 1001, "scores": {"overall": 60.0}}


def test_karpathy_file_tells_the_domain_and_agrees_with_the_official_one(tmp_path):
    records = [
        annotation(1000, ["yes"] * 10, is_topk_optimal=True),
        annotation(1001, ["rare"] * 10, is_topk_optimal=False),
        annotation(1002, ["no"] * 10, is_topk_optimal=True),
    ]
    answers = predicted({1000: "yes", 1001: "rare", 1002: "yes"})
    report = score("vqa", predictions=answers, annotations=karpathy(tmp_path / "k.json", records))
    assert (report.metrics["in_domain"], report.metrics["out_domain"]) == (50.0, 100.0)
    same = score("vqa", predictions=answers, annotations=official(tmp_path / "a.json", records))
    assert same.metrics == report.metrics


def test_domain_from_a_vocabulary(tmp_path):
    records = [annotation(1, ["Two"] * 6 + ["rare"] * 4), annotation(2, ["rare"] * 6 + ["two"] * 4)]
    tie = annotation(3, ["rare"] * 5 + ["two"] * 5)
    path = official(tmp_path / "a.json", [*records, tie])
    answers = predicted({1: "2", 2: "2", 3: "x"})
    for vocabulary in (["2", "yes"], {"2": 0}):
        name = write(tmp_path / "v.json", vocabulary)
        report = score("vqa", predictions=answers, annotations=path, vocabulary=name)
        assert (report.metrics["in_domain"], report.metrics["out_domain"]) == (50.0, 100.0)


def test_okvqa_reads_stemmed_or_raw_answers_and_halves(tmp_path):
    records = [annotation(number, ["race"] * 10) for number in range(5)]
    for record in records:
        for person in record["answers"]:
            person["raw_answer"] = "racing"
    path = official(tmp_path / "a.json", records)
    answers = predicted(dict.fromkeys(range(5), "racing"))
    assert score("okvqa", predictions=answers, annotations=path).metrics["overall"] == 0.0
    raw = score("okvqa", predictions=answers, annotations=path, answers="raw")
    assert raw.metrics["overall"] == 100.0
    assert raw.to_json()["answers"] == "raw"
    halves = [score("okvqa", predictions=answers, annotations=path, half=half) for half in ("first", "second")]
    assert [half.n for half in halves] == [2, 3]
    assert sorted(identifier for half in halves for identifier in half.ids) == list(range(5))


def test_missing_unknown_and_doubled_predictions(tmp_path):
    path = official(tmp_path / "a.json", [annotation(number, ["no"] * 10) for number in range(6)])
    some = predicted({0: "no", 1: "yes"})
    with pytest.raises(UserError, match=r"4 of 6 have no prediction \(2, 3, 4 and 1 more\).*--partial"):
        score("vqa", predictions=some, annotations=path)
    part = score("vqa", predictions=some, annotations=path, partial=True)
    assert (part.n, part.total, part.metrics["overall"]) == (2, 6, 50.0)
    with pytest.raises(UserError, match=r"1 ids are not in .*a.json"):
        score("vqa", predictions=predicted({99: "no"}), annotations=path, partial=True)
    with pytest.raises(UserError, match=r"duplicate question_id 0;.*their answers differ"):
        score("vqa", predictions=some + predicted({0: "yes"}), annotations=path, partial=True)
    assert score("vqa", predictions=some + some[:1], annotations=path, partial=True).metrics == part.metrics
    more = score("vqa", predictions=some + predicted({99: "no"}), annotations=path, partial=True)
    assert more.metrics == part.metrics
    with pytest.raises(UserError, match="no prediction to score"):
        score("vqa", predictions=[], annotations=path, partial=True)


def test_questions_of_another_split_are_noticed(tmp_path):
    annotations = official(tmp_path / "a.json", [annotation(1, ["no"] * 10), annotation(2, ["no"] * 10)])
    questions = write(tmp_path / "q.json", {"questions": [{"question_id": 1, "image_id": 1, "question": "?"}]})
    with pytest.raises(UserError, match=r"a.json: 1 questions are not in .*q.json \(2\)"):
        score("vqa", predictions=predicted({1: "no", 2: "no"}), annotations=annotations, questions=questions)


def test_every_golden_item_to_the_last_digit(shared):
    cases = json.loads((shared / "golden/golden_vqa.json").read_text())
    assert len(cases) > 2000
    for case in cases:
        assert vqa_accuracy(case["answer_predicted"], case["answers"]) == case["official_accuracy_12dp"], case


def test_golden_files_overall_by_type_and_by_item(shared):
    files = json.loads((shared / "golden/golden_vqa_files.json").read_text())["files"]
    for file in files.values():
        report = score(
            "vqa",
            predictions=file["predictions"],
            annotations=shared / "vqa/vqav2_smallval_annotations.json",
            questions=shared / "vqa/vqav2_smallval_questions.json",
        )
        right = file["official"]
        assert dict(zip(map(str, report.ids), report.items["overall"], strict=True)) == right["evalQA"]
        rounded = {name: {key: round(value, 2) for key, value in report.metrics[name].items()} for name in TYPES}
        assert round(report.metrics["overall"], 2) == right["accuracy"]["overall"]
        assert rounded["answer_type"] == right["accuracy"]["perAnswerType"]
        assert rounded["question_type"] == right["accuracy"]["perQuestionType"]


TYPES = ("answer_type", "question_type")
