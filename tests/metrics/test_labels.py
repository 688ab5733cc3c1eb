"""Oracle: scikit-learn and scipy on labels read by hand, and the real GLUE files."""

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vqa_cases import write

from vlhyper.errors import UserError
from vlhyper.metrics import f1, label_accuracy, matthews, pearson, spearman
from vlhyper.metrics.labels import LABEL_TASKS, read_grade
from vlhyper.scoring import score
from vlhyper.scoring.scorers import find_scorer
from vlhyper.scoring.truth import gold_of_files

PAIR = ("not_equivalent", "equivalent")


def lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def test_a_text_that_is_no_label_is_wrong():
    gold = ["equivalent", "equivalent", "not_equivalent", "not_equivalent"]
    given = ["equivalent ", "Equivalent", "not_equivalent", "maybe"]
    assert label_accuracy(given, gold) == 50.0
    # One right and one missed positive, and "maybe" counts as a false alarm: F1 = 2 / (2 + 1 + 1).
    assert f1(given, gold, PAIR) == 50.0
    assert matthews(given, gold, PAIR) == 0.0
    assert f1(["x"], ["not_equivalent"], PAIR) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_f1_and_matthews_by_their_formulas(pairs):
    given, gold = ([PAIR[value] for value in column] for column in zip(*pairs, strict=True))
    hits = sum(guess and right for guess, right in pairs)
    alarms, misses = (
        sum(guess and not right for guess, right in pairs),
        sum(right and not guess for guess, right in pairs),
    )
    rest = len(pairs) - hits - alarms - misses
    expected = 200 * hits / (2 * hits + alarms + misses) if hits + alarms + misses else 0.0
    assert f1(given, gold, PAIR) == pytest.approx(expected)
    product = (hits + alarms) * (hits + misses) * (rest + alarms) * (rest + misses)
    expected = 100 * (hits * rest - alarms * misses) / math.sqrt(product) if product else 0.0
    assert matthews(given, gold, PAIR) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "grade"),
    [("3.8", 3.8), (" 0 ", 0.0), ("5.0", 5.0), ("5.2", 5.2), ("-0.5", -0.5), ("nan", -1.0), ("inf", -1.0), ("", -1.0)],
)
def test_grades_are_finite_numbers(text, grade):
    assert read_grade(text) == grade


def test_correlations():
    gold = [0.0, 1.0, 2.0, 5.0]
    assert pearson(["0.0", "1.0", "2.0", "5.0"], gold) == pytest.approx(100)
    assert spearman(["1", "2", "3", "4"], gold) == pytest.approx(100)
    assert pearson(["0", "1", "2", "no grade"], gold) < 0
    assert math.isnan(pearson(["1.0"] * 4, gold))


def test_snli_ve_by_label_without_pairs_that_have_no_majority(tmp_path):
    labels = {"1.jpg#0": "neutral", "1.jpg#1": "entailment", "2.jpg#0": "-", "2.jpg#1": "entailment"}
    path = lines(tmp_path / "a.jsonl", [{"pairID": pair, "gold_label": label} for pair, label in labels.items()])
    predictions = [{"pairID": pair, "prediction": "entailment"} for pair in labels]
    report = score("snli-ve", predictions=predictions, annotations=path)
    assert report.metrics == {"accuracy": pytest.approx(200 / 3), "per_label": {"entailment": 100.0, "neutral": 0.0}}
    assert (report.n, report.clusters) == (3, ["1.jpg", "1.jpg", "2.jpg"])
    assert list(report.skipped) == ["per_label/contradiction"]
    assert score("snli-ve", predictions=predictions[:2] + predictions[3:], annotations=path).n == 3


def test_snli_ve_sample(shared):
    records = [json.loads(line) for line in (shared / "snli_ve/sample.jsonl").read_text().split("\n") if line]
    right = [{"pairID": record["pairID"], "prediction": record["gold_label"]} for record in records]
    assert score("snli-ve", predictions=right, annotations=shared / "snli_ve/sample.jsonl").metrics["accuracy"] == 100.0


@pytest.mark.parametrize(
    ("task", "path", "figures"),
    [
        ("glue:cola", "glue/CoLA/in_domain_dev.tsv", {"matthews": 100.0}),
        ("glue:sst2", "glue/SST-2/dev.tsv", {"accuracy": 100.0}),
        ("glue:mrpc", "glue/MRPC/dev.tsv", {"accuracy": 100.0, "f1": 100.0}),
        ("glue:stsb", "glue/STS-B/dev.tsv", {"pearson": 100.0, "spearman": 100.0}),
        ("glue:qnli", "glue/QNLI/dev_first600.tsv", {"accuracy": 100.0}),
        ("glue:rte", "glue/RTE/dev.tsv", {"accuracy": 100.0}),
        ("glue:qqp", "glue/mtdnn_samples/QQP/dev.tsv", {"accuracy": 100.0}),
        ("glue:mnli", "glue/mtdnn_samples/MNLI/dev_matched.tsv", {"accuracy": 100.0}),
        ("boolq", "glue/FewGLUE/BoolQ/train.jsonl", {"accuracy": 100.0}),
        ("cb", "glue/FewGLUE/CB/train.jsonl", {"accuracy": 100.0}),
    ],
)
def test_every_task_reads_its_real_file(shared, task, path, figures):
    scorer = find_scorer(task)
    found = gold_of_files(scorer, {"annotations": shared / path})
    gold = dict(zip(found.ids, found.right, strict=True))
    predictions = [{"id": key, "prediction": str(value)} for key, value in gold.items()]
    report = score(task, predictions=predictions, annotations=shared / path)
    assert {name: report.metrics[name] for name in figures} == pytest.approx(figures)
    assert report.n == len(gold) > 0
    rows = score(task, predictions=[str(value) for value in gold.values()], annotations=shared / path)
    assert rows.metrics == report.metrics


def test_labels_come_as_numbers_words_or_truth_values(tmp_path):
    for task, value, label in (("boolq", True, "True"), ("cb", 1, "contradiction"), ("imdb", "pos", "positive")):
        path = write(tmp_path / "a.json", [{"idx": 7, "label": value}, {"idx": 8, "label": label}])
        predictions = [{"id": 7, "prediction": label}, {"id": "8", "prediction": label}]
        assert score(task, predictions=predictions, annotations=path).metrics["accuracy"] == 100.0


def test_imdb_folder_csv_and_parquet(tmp_path):
    for label in ("neg", "pos"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0_9.txt").write_text("fine")
    answers = [{"id": "neg/0_9", "prediction": "negative"}, {"id": "pos/0_9", "prediction": "negative"}]
    assert score("imdb", predictions=answers, annotations=tmp_path).metrics["accuracy"] == 50.0
    (tmp_path / "a.csv").write_text('text,label\n"a, b",1\nc,0\n')
    assert (
        score("imdb", predictions=["positive", "positive"], annotations=tmp_path / "a.csv").metrics["accuracy"] == 50.0
    )
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table({"text": ["x", "y"], "label": [1, 0]})
    parquet.write_table(table, tmp_path / "a.parquet")
    report = score("imdb", predictions=["positive", "negative"], annotations=tmp_path / "a.parquet")
    assert report.metrics["accuracy"] == 100.0


def test_broken_lines_of_qqp_are_passed_over_and_no_others(tmp_path):
    table = "id\tquestion1\tquestion2\tis_duplicate\n5\ta\tb\t1\n6\tbroken\n"
    (tmp_path / "a.tsv").write_text(table)
    report = score("glue:qqp", predictions=[{"id": 5, "prediction": "duplicate"}], annotations=tmp_path / "a.tsv")
    assert report.n == 1
    (tmp_path / "b.tsv").write_text("id\tsentence1\tsentence2\tlabel\n5\ta\tb\t1\n6\tbroken\n")
    with pytest.raises(UserError, match="line 3 has 2 columns, 4 are expected"):
        score("paws", predictions=["equivalent"], annotations=tmp_path / "b.tsv")


def test_metrics_of_each_task_are_those_of_the_benchmarks():
    own = {name: task.metrics for name, task in LABEL_TASKS.items() if task.metrics != ("accuracy",)}
    assert own == {
        "cola": ("matthews",),
        "mrpc": ("accuracy", "f1"),
        "qqp": ("accuracy", "f1"),
        "stsb": ("pearson", "spearman"),
    }


def test_a_metric_without_a_value_is_skipped(tmp_path):
    path = write(tmp_path / "a.json", [{"id": 1, "score": 3.0}, {"id": 2, "score": 3.5}])
    report = score("glue:stsb", predictions=["1.0", "1.0"], annotations=path)
    assert report.metrics == {}
    assert set(report.skipped) == {"pearson", "spearman"}


@pytest.mark.parametrize(
    ("task", "row", "fault"),
    [
        ("glue:rte", "label", "record 1 must be an object of columns"),
        ("glue:rte", {"idx": 0, "label": -1}, "labels of this split are not public"),
        ("glue:mnli", {"idx": 0, "label": True}, "has the label 'True'"),
        ("glue:stsb", {"idx": 0, "label": True}, "must be a grade"),
        ("glue:stsb", {"idx": 0, "label": 10**400}, "must be a grade"),
        ("cb", {"idx": {"premise": 0}, "label": 1}, "'id' must be an id .a whole number or text., is .'premise'"),
    ],
)
def test_rows_that_are_none(tmp_path, task, row, fault):
    path = write(tmp_path / "a.json", [row])
    with pytest.raises(UserError, match=fault) as caught:
        score(task, predictions=["x"], annotations=path)
    assert path in str(caught.value)


@pytest.mark.parametrize("written", ["-1", "-1.0", "None", ""])
def test_a_hidden_label_is_not_scored(tmp_path, written):
    (tmp_path / "a.tsv").write_text(f"index\tlabel\n4\t{written}\n5\t1\n")
    given = [{"id": 4, "prediction": "x"}, {"id": 5, "prediction": "not_entailment"}]
    report = score("glue:rte", predictions=given, annotations=tmp_path / "a.tsv")
    assert (report.n, report.total, report.metrics["accuracy"]) == (1, 1, 100.0)
    (tmp_path / "a.tsv").write_text(f"index\tlabel\n4\t{written}\n")
    with pytest.raises(UserError, match=r"a\.tsv: .* the labels of this split are not public"):
        score("glue:rte", predictions=given[:1], annotations=tmp_path / "a.tsv")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc/self/fd: a shell's pipes have other names")
@pytest.mark.parametrize("content", ["index\tlabel\n5\t1\n", '{"idx": 5, "label": 1}\n', '[{"idx": 5, "label": 1}]'])
def test_labels_from_the_pipe_of_a_shell(content):
    reading, writing = os.pipe()
    os.write(writing, content.encode())
    os.close(writing)
    given = [{"id": 5, "prediction": "not_entailment"}]
    assert score("glue:rte", predictions=given, annotations=f"/proc/self/fd/{reading}").metrics["accuracy"] == 100.0
    os.close(reading)


def test_a_folder_for_a_task_without_one(tmp_path):
    with pytest.raises(UserError, match=r"this is a folder without a subfolder for each label .*; give a file"):
        score("boolq", predictions=["True"], annotations=tmp_path)


def test_a_broken_csv_is_named_with_its_line(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\na\rb,1\n")
    with pytest.raises(UserError, match=r"a\.csv: line 2: new-line character"):
        score("imdb", predictions=["positive"], annotations=tmp_path / "a.csv")


def test_a_file_that_is_no_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(40) + b"PAR1")
    with pytest.raises(UserError, match="not a readable parquet file"):
        score("imdb", predictions=["positive"], annotations=tmp_path / "a.parquet")


@pytest.mark.parametrize("metric", [label_accuracy, pearson, spearman])
@pytest.mark.parametrize(("given", "gold"), [([], []), (["1"], [1.0, 2.0]), ("12", [1.0, 2.0])])
def test_predictions_and_truth_run_in_step(metric, given, gold):
    with pytest.raises(UserError, match="one text for each"):
        metric(given, gold)


def test_truth_must_be_labels():
    with pytest.raises(UserError, match="'dog' is not one of the labels"):
        f1(["equivalent"], ["dog"], PAIR)
