"""Oracle: the official eval.py over real questions, and a small file worked by hand."""

import json

import pytest
from gqa_cases import QUESTIONS, question
from vqa_cases import write

from vlhyper.errors import UserError
from vlhyper.metrics import gqa_distribution
from vlhyper.scoring import score

ANSWERS = {"01": "yes", "02": "yes", "03": "red", "04": "dog"}


def predicted(answers):
    return [{"questionId": identifier, "prediction": answer} for identifier, answer in answers.items()]


def test_figures_of_a_small_file(tmp_path):
    report = score("gqa", predictions=predicted(ANSWERS), questions=write(tmp_path / "q.json", QUESTIONS))
    assert report.metrics == {
        "accuracy": pytest.approx(200 / 3),
        "binary": 50.0,
        "open": 100.0,
        "structural": {"query": 100.0, "verify": 50.0},
        "semantic": {"attr": pytest.approx(200 / 3)},
        "steps": {"1": pytest.approx(200 / 3)},
        "words": {"3": pytest.approx(200 / 3)},
        # Only 01 is balanced, right and entails others: 02 is wrong, 03 is right.
        "consistency": 50.0,
        # Group g: yes 1 → 2, no 1 → 0: χ² = 1 + 1.
        "distribution": 0.02,
    }
    assert set(report.skipped) == {"validity", "plausibility", "grounding"}
    assert (report.n, report.total, report.clusters) == (3, 3, ["n1", "n1", "n2"])
    lines = [json.loads(line) for line in report.item_lines()]
    assert lines[0] == {"id": "01", "scores": {"accuracy": 100.0, "consistency": 50.0}}
    assert lines[1] == {"id": "02", "scores": {"accuracy": 0.0}}


def test_consistency_is_skipped_without_its_inputs(tmp_path):
    path = write(tmp_path / "q.json", QUESTIONS)
    balanced = {key: answer for key, answer in ANSWERS.items() if key != "03"}
    report = score("gqa", predictions=predicted(balanced), questions=path)
    assert "consistency" not in report.metrics
    assert "1 entailed questions are not predicted (03)" in report.skipped["consistency"]
    fewer = write(tmp_path / "f.json", {key: QUESTIONS[key] for key in balanced})
    assert (
        "not in the questions file (03)"
        in score("gqa", predictions=predicted(balanced), questions=fewer).skipped["consistency"]
    )


def test_choices_tell_what_is_valid_and_plausible(tmp_path):
    choices = {key: {"valid": ["yes", "no", "cat"], "plausible": ["no"]} for key in QUESTIONS}
    common = question("color", "query", types={"structural": "query", "semantic": "attr", "detailed": "twoCommon"})
    questions = write(tmp_path / "q.json", QUESTIONS | {"05": common})
    choices_path = write(tmp_path / "c.json", choices | {"05": {"valid": ["x"], "plausible": ["x"]}})
    answers = predicted(ANSWERS | {"05": "material"})
    report = score("gqa", predictions=answers, questions=questions, choices=choices_path)
    assert report.metrics["validity"] == 75.0
    assert report.metrics["plausibility"] == 25.0
    with pytest.raises(UserError, match="question 04: has no 'valid'"):
        bad = write(tmp_path / "b.json", {key: choices[key] for key in ("01", "02")})
        score("gqa", predictions=predicted(ANSWERS), questions=write(tmp_path / "r.json", QUESTIONS), choices=bad)


def test_a_folder_of_chunks_is_one_file(tmp_path):
    folder = tmp_path / "chunks"
    folder.mkdir()
    for number, part in enumerate((("01", "02"), ("03", "04"))):
        write(folder / f"q_{number}.json", {key: QUESTIONS[key] for key in part})
    whole = score("gqa", predictions=predicted(ANSWERS), questions=write(tmp_path / "q.json", QUESTIONS))
    assert score("gqa", predictions=predicted(ANSWERS), questions=str(folder)).metrics == whole.metrics
    write(folder / "q_2.json", {"01": QUESTIONS["01"]})
    with pytest.raises(UserError, match=r"chunks: duplicate question id 01; remove one"):
        score("gqa", predictions=predicted(ANSWERS), questions=str(folder))


def test_lxmert_files_give_accuracy(tmp_path):
    records = [
        {"question_id": "07", "img_id": "2375429", "sent": "What is on the wall?", "label": {"pipe": 1.0}},
        {"question_id": "08", "img_id": "2375429", "sent": "Is it red?", "label": {"no": 0.3, "yes": 1}},
    ]
    report = score(
        "gqa", predictions=predicted({"07": "pipe", "08": "no"}), questions=write(tmp_path / "v.json", records)
    )
    assert report.metrics["accuracy"] == 50.0
    assert {"binary", "open", "structural", "distribution", "consistency"} <= set(report.skipped)


def test_consistency_is_rounded_as_the_official_script_rounds(tmp_path):
    # Shares of 2/3, 1 and 1: the mean of 100 × share differs from 100 × their mean in the last digit.
    ids = ["a", "b", "c", "x", "y"]
    entailed = {"a": ["x", "y", "b"], "b": ["a"], "c": ["a"]}
    path = write(tmp_path / "q.json", {key: question("yes", entailed=entailed.get(key, ())) for key in ids})
    given = predicted(dict.fromkeys(ids, "yes") | {"x": "no"})
    assert score("gqa", predictions=given, questions=path).metrics["consistency"] == sum([2 / 3, 1, 1]) / 3 * 100


def test_null_fields_are_missing_ones(tmp_path):
    absent = dict.fromkeys(("types", "semantic", "groups", "entailed", "imageId", "isBalanced"))
    bare = question("yes") | absent
    path = write(tmp_path / "q.json", {"01": bare, "02": bare})
    choices = write(tmp_path / "c.json", {key: {"valid": ["yes"], "plausible": ["yes"]} for key in ("01", "02")})
    given = predicted({"01": "yes", "02": "no"})
    report = score("gqa", predictions=given, questions=path, choices=choices, confidence=True)
    assert report.metrics == {"accuracy": 50.0, "words": {"3": 50.0}}
    assert report.clusters == ["01", "02"]
    assert {"binary", "open", "steps", "validity", "plausibility", "distribution"} <= set(report.skipped)


@pytest.mark.parametrize(
    "change",
    [
        {"imageId": ["n1"]},
        {"isBalanced": "false"},
        {"types": {"structural": ["query"]}},
        {"groups": {"global": 3}},
        {"entailed": [None]},
        {"semantic": [{"operation": "select"}]},
        {"semantic": ["select"]},
    ],
    ids=str,
)
def test_fields_of_another_kind_are_named(tmp_path, change):
    path = write(tmp_path / "q.json", {"01": question("yes") | change})
    with pytest.raises(UserError, match=r"q\.json: record 1 \(01\)"):
        score("gqa", predictions=predicted({"01": "yes"}), questions=path)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({}, "duplicate id 07; remove one"),
        ({"label": {"pipe": "x", "dog": 1}}, "record 2 .* 'label' gives 'pipe' the score 'x'"),
    ],
)
def test_faults_of_lxmert_files(tmp_path, more, fault):
    record = {"question_id": "07", "img_id": "1", "sent": "What is on the wall?", "label": {"pipe": 1.0}}
    path = write(tmp_path / "v.json", [record, record | more])
    with pytest.raises(UserError, match=fault):
        score("gqa", predictions=predicted({"07": "pipe"}), questions=path)


def test_only_balanced_questions_need_a_prediction(tmp_path):
    path = write(tmp_path / "q.json", QUESTIONS)
    with pytest.raises(UserError, match=r"1 of 3 have no prediction \(04\)"):
        score("gqa", predictions=predicted({"01": "yes", "02": "no"}), questions=path)
    with pytest.raises(UserError, match="'questionId' must be text, in quotes, is 1"):
        score("gqa", predictions=[{"questionId": 1, "prediction": "yes"}], questions=path)


def test_distribution_by_hand():
    groups, gold = ["a", "a", "a", "b"], ["x", "x", "y", "z"]
    assert gqa_distribution(groups, gold, gold) == 0.0
    # a: x 2 → 3 gives 1/2, y 1 → 0 gives 1, weighted 3; b: z 1 → 0 gives 1, weighted 1.
    assert gqa_distribution(groups, gold, ["x", "x", "x", "w"]) == pytest.approx((1.5 * 3 + 1) / 4 / 100)


def test_every_golden_figure_is_equal(shared):
    runs = json.loads((shared / "golden/golden_gqa.json").read_text())["runs"]
    run = next(run for run in runs if run["name"] == "head_converted")
    report = score(
        "gqa", predictions=predicted(run["predictions"]), questions=shared / "gqa/testdev_balanced_head_1733.json"
    )
    right = run["official"]
    for name in ("accuracy", "binary", "open", "distribution"):
        assert report.metrics[name] == right[name]
    tables = {
        "structural": "accuracyPerStructuralType",
        "semantic": "accuracyPerSemanticType",
        "steps": "accuracyPerSteps",
        "words": "accuracyPerLength",
    }
    for name, official in tables.items():
        assert report.metrics[name] == {key: value for key, (value, _) in right[official].items()}


def test_golden_with_choices(shared, tmp_path):
    runs = json.loads((shared / "golden/golden_gqa.json").read_text())["runs"]
    run = next(run for run in runs if "choices" in run)
    report = score(
        "gqa",
        predictions=predicted(run["predictions"]),
        questions=write(tmp_path / "q.json", run["question_records"]),
        choices=write(tmp_path / "c.json", run["choices"]),
    )
    for name in ("accuracy", "open", "validity", "plausibility", "distribution"):
        assert report.metrics[name] == run["official"][name]
    # The official script prints 0 for the means of nothing.
    assert {"binary", "consistency"} <= set(report.skipped)
