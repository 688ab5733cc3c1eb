"""The truth of a split, from its official files and from its rows, against `score` on the files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlhyper.errors import UserError
from vlhyper.files import read_json
from vlhyper.metrics import vqa_accuracy
from vlhyper.readers import load_manifest, load_rows
from vlhyper.readers.answers import soft_scores
from vlhyper.scoring import score
from vlhyper.scoring.truth import find_truth, one_file, people, report_of, truth_files
from vlhyper.tasks import find_task


def some_answers(gold) -> dict[str, str]:
    """For two of three ids an answer: that of people for the one, that of the id before for the other."""
    texts = [right["answer"] if isinstance(right, dict) else right for right in gold.values()]
    texts = [text[0] if isinstance(text, list) else str(text) for text in texts]
    return {id: texts[place - (place % 3 == 2)] for place, id in enumerate(gold) if place % 3}


def the_same_from_memory_and_files(task, manifest, split="val") -> None:
    """Every figure that both ways give is the same to the last digit, and the task's own are among them."""
    rows = load_rows(manifest, split)
    truth = find_truth(task, manifest, split, rows)
    gold = truth.gold()
    answers = some_answers(gold)
    files = {role: value[0] if isinstance(value, tuple) else value for role, value in truth.files.items()}
    wanted = {"metrics": "cider"} if task.scorer == "caption" else {}
    whole = score(task.scorer, predictions=task.submit(answers), partial=True, **files, **wanted)
    mine = report_of(task, gold, answers, "cider")
    assert set(task.figures) <= mine.metrics.keys()
    assert all(mine.metrics[figure] == whole.metrics[figure] != 0 for figure in task.figures)
    assert mine.n == whole.n == len(answers) < len(gold)


@pytest.mark.parametrize("task", ["vqa", "okvqa", "gqa", "caption", "snli-ve"])
def test_figures_on_a_sample_in_memory_are_those_of_the_files(lab, task):
    manifest = load_manifest(lab.folder / f"{task.replace('-', '_')}.yaml")
    the_same_from_memory_and_files(find_task(task), manifest)


def test_raw_answers_are_compared_where_the_manifest_says_so(tmp_path):
    answers = [{"answer": "run", "raw_answer": "running"}] * 10
    record = {"question_id": 1, "image_id": 1, "answers": answers}
    (tmp_path / "a.json").write_text(json.dumps({"annotations": [record, {**record, "question_id": 2}]}))
    asked = [{"question_id": id, "image_id": 1, "question": "What?"} for id in (1, 2)]
    (tmp_path / "q.json").write_text(json.dumps({"questions": asked}))
    for kind, right in {"stemmed": "run", "raw": "running"}.items():
        files = {"questions": "q.json", "annotations": "a.json"}
        values = {"name": "k", "format": "vqa", "answers": kind, "splits": {"val": {"files": files}}}
        manifest = load_manifest(values, tmp_path)
        truth = find_truth(find_task("okvqa"), manifest, "val", load_rows(manifest, "val"))
        assert truth.gold() == {"1": [right] * 10, "2": [right] * 10}


@pytest.fixture
def grades(tmp_path):
    """STS-B's dev file with grades between the multiples of 0.2, of the second half of its rows."""
    lines = ["index\tsentence1\tsentence2\tscore", *(f"{n}\ta {n}\tb {n}\t{n * 0.37 % 5:.3f}" for n in range(12))]
    (tmp_path / "dev.tsv").write_text("\n".join(lines) + "\n")
    fields = {"id": "index", "sentence1": "sentence1", "sentence2": "sentence2", "label": "score"}
    split = {"files": {"table": "dev.tsv"}, "part": "second-half"}
    values = {"name": "s", "format": "table", "fields": fields, "round_labels": 0.2, "splits": {"val": split}}
    return load_manifest(values, tmp_path)


def test_grades_are_compared_unrounded(grades):
    the_same_from_memory_and_files(find_task("stsb"), grades)


def test_rounded_grades_are_no_truth(grades, tmp_path):
    head, *lines = (tmp_path / "dev.tsv").read_text().splitlines()
    for name, part in {"one": lines[:6], "two": lines[6:]}.items():
        (tmp_path / f"{name}.tsv").write_text("\n".join([head, *part]) + "\n")
    split = grades.splits["val"].model_copy(update={"files": {"table": ["one.tsv", "two.tsv"]}})
    manifest = grades.model_copy(update={"splits": {"val": split}})
    assert find_truth(find_task("stsb"), manifest, "val", load_rows(manifest, "val")) is None


def test_a_split_of_several_jsonl_files_is_scored_as_of_one(lab, tmp_path):
    manifest, task = load_manifest(lab.folder / "snli_ve.yaml"), find_task("snli-ve")
    whole = find_truth(task, manifest, "val", load_rows(manifest, "val"))
    lines = whole.files["annotations"][0].read_text().splitlines(keepends=True)
    for part in (0, 1):
        (tmp_path / f"{part}.jsonl").write_text("".join(lines[part::2]))
    values = {
        "name": "parts",
        "format": "snli-ve",
        "splits": {"val": {"files": {"annotations": ["0.jsonl", "1.jsonl"]}}},
    }
    parts = load_manifest(values, tmp_path)
    truth = find_truth(task, parts, "val", load_rows(parts, "val"))
    answers = some_answers(whole.gold())
    (tmp_path / "p.json").write_text(json.dumps(task.submit(answers)))
    expected = whole.score(answers, tmp_path / "p.json")
    found = truth.score(answers, tmp_path / "p.json")
    assert dict(found.flat()) == pytest.approx(dict(expected.flat()), rel=1e-12) and found.n == expected.n
    assert found.to_json()["truth"] == "rows" and "truth" not in expected.to_json()


def test_parquet_rows_are_scored_as_the_official_file(lab, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    task, manifest = find_task("vqa"), load_manifest(lab.folder / "vqa.yaml")
    official = find_truth(task, manifest, "val", load_rows(manifest, "val"))
    asked = {one["question_id"]: one for one in read_json(official.files["questions"][0])["questions"]}
    records = [
        {**one, **asked[one["question_id"]]} for one in read_json(official.files["annotations"][0])["annotations"]
    ]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "val.parquet")
    fields = {"id": "question_id", "image": "image_id", "question": "question", "answers": "answers"}
    values = {"name": "h", "format": "table", "fields": fields, "splits": {"val": {"files": {"table": "*.parquet"}}}}
    hub = load_manifest(values, tmp_path)
    truth = find_truth(task, hub, "val", load_rows(hub, "val"))
    answers = some_answers(official.gold())
    (tmp_path / "p.json").write_text(json.dumps(task.submit(answers)))
    found, expected = (one.score(answers, tmp_path / "p.json") for one in (truth, official))
    assert found.metrics["overall"] == pytest.approx(expected.metrics["overall"], rel=1e-12)
    assert 0 < found.metrics["overall"] < 100


@pytest.mark.parametrize(
    ("task", "row", "answers", "figure"),
    [
        ("gqa", {"label": "red"}, "red", "accuracy"),
        ("caption", {"captions": ["a red ball", "one ball"]}, "a red ball", "BLEU-1"),
        ("boolq", {"label": "1"}, "True", "accuracy"),
    ],
)
def test_rows_of_a_table_are_scored(tmp_path, task, row, answers, figure):
    texts = {name: name for name in find_task(task).columns}
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"n": n, **texts, **row}) + "\n" for n in range(3)))
    fields = {"id": "n", "image": "n", **texts, **{key: key for key in row}}
    labels = {"labels": {"0": "False", "1": "True"}} if task == "boolq" else {}
    split = {"hub": {"id": "x", "split": "y"}, "files": {"table": ["t.jsonl"]}}
    values = {"name": "t", "format": "table", "fields": fields, **labels, "splits": {"val": split}}
    manifest = load_manifest(values, tmp_path)
    truth = find_truth(find_task(task), manifest, "val", load_rows(manifest, "val"))
    assert (truth.files is None) is (task != "boolq")
    gold = type(truth)(truth.task, truth.rows, None).gold()
    report = report_of(truth.task, gold, {"0": answers, "2": answers}, "bleu")
    assert (report.n, report.metrics[figure]) == (2, pytest.approx(100))


def test_a_row_with_a_label_the_task_does_not_know_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1, "s": "x", "label": "odd"}\n')
    (tmp_path / "b.jsonl").write_text('{"n": 2, "s": "x", "label": "acceptable"}\n')
    fields = {"id": "n", "sentence": "s", "label": "label"}
    split = {"files": {"table": ["a.jsonl", "b.jsonl"]}}
    manifest = load_manifest({"name": "t", "format": "table", "fields": fields, "splits": {"val": split}}, tmp_path)
    truth = find_truth(find_task("cola"), manifest, "val", load_rows(manifest, "val"))
    with pytest.raises(UserError, match="row 1 has the label 'odd'; cola is scored on unacceptable, acceptable"):
        truth.gold()


WORDS = st.sampled_from(["red", "Red", "a red", "2", "two", "red,", "blue"])


@given(st.lists(WORDS, min_size=10, max_size=10), WORDS, st.sampled_from(["official", "vl-t5", "lmms-eval"]))
def test_ten_answers_made_of_soft_scores_score_as_the_real_ten(answers, prediction, variant):
    assert len(people(*soft_scores(answers))) == 10
    expected = vqa_accuracy(prediction, answers, variant)
    assert vqa_accuracy(prediction, people(*soft_scores(answers)), variant) == pytest.approx(expected, abs=1e-9)


def test_blank_answers_are_filled_in():
    assert people(*soft_scores(["no", "no", "", " ", "yes", "a", "b", "c", "d", "e"])).count("") == 2


def test_truth_about_other_rows_is_said():
    with pytest.raises(UserError, match="gqa: the truth speaks of none of the rows"):
        report_of(find_task("gqa"), {"1": {"answer": "no"}}, {"2": "no"})


def test_files_of_one_layout_are_joined(tmp_path):
    for name, value in {"a": {"1": {}}, "b": {"2": {}}, "c": [1], "d": [2]}.items():
        (tmp_path / name).write_text(json.dumps(value))
    join = lambda *names: read_json(one_file([tmp_path / name for name in names], tmp_path / "joined"))  # noqa: E731
    assert join("a", "b") == {"1": {}, "2": {}}
    assert join("c", "d") == [1, 2]
    assert one_file([tmp_path / "a"], tmp_path / "joined") == tmp_path / "a"


@pytest.mark.parametrize(
    ("task", "format", "split", "expected"),
    [
        ("vqa", "vl-t5", {"files": {"questions": "q.json"}}, {"annotations": "q.json"}),
        ("gqa", "vl-t5", {"files": {"questions": "q.json"}}, {"questions": "q.json"}),
        ("caption", "karpathy", {"files": {"annotations": "c.json"}, "subset": "val"}, {"annotations": "c.json"}),
        ("vqa", "vqa", {"files": {"questions": "q.json"}}, None),
        ("cola", "table", {"files": {"table": "dev.tsv"}}, {"annotations": "dev.tsv"}),
        ("vg_qa", "visual-genome", {"files": {"questions": "q.json"}}, None),
    ],
)
def test_each_layout_hands_its_scorer_the_right_file(tmp_path, task, format, split, expected):
    fields = {"fields": {"sentence": "sentence", "label": "label"}} if format == "table" else {}
    manifest = load_manifest({"name": "m", "format": format, "splits": {"test": split}, **fields}, tmp_path)
    (tmp_path / "dev.tsv").touch()
    truth = truth_files(find_task(task), manifest, "test")
    if expected is None:
        assert truth is None
    else:
        options = {"split": "val"} if format == "karpathy" else {}
        assert truth == {role: (tmp_path / name,) for role, name in expected.items()} | options
