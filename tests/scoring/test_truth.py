"""The truth of a split, from its official files and from its rows, against `score` on the files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlhyper.errors import UserError
from vlhyper.files import read_json
from vlhyper.metrics import vqa_accuracy
from vlhyper.readers import load_manifest, load_rows
from vlhyper.readers.answers import people, soft_scores
from vlhyper.scoring import SCORERS, score
from vlhyper.scoring.truth import find_truth, prediction_file
from vlhyper.tasks import find_task


def some_answers(truth) -> dict[str, str]:
    """For two of three ids an answer: that of people for the one, that of the id before for the other."""
    texts = list(truth.answers().values())
    return {id: texts[index - (index % 3 == 2)] for index, id in enumerate(truth.answers()) if index % 3}


def the_same_from_memory_and_files(task, manifest, split="val") -> None:
    """Every metric that both ways give is the same to the last digit, and the task's own are among them."""
    rows = load_rows(manifest, split)
    truth = find_truth(task, manifest, split, rows)
    answers = some_answers(truth)
    scorer, files = SCORERS[task.scorer], manifest.source(split).files
    known = {name: str(files[name][0]) for name in (scorer.truth, *scorer.files) if name in files}
    known = known or {scorer.truth: str(manifest.source(split).all_paths[0])}
    wanted = {"metrics": "cider"} if task.scorer == "caption" else {}
    records = prediction_file(task).records(answers)
    whole = score(task.scorer, predictions=records, partial=True, **known, **wanted)
    mine = truth.score(answers, metrics="cider")
    assert set(task.metrics) <= mine.metrics.keys()
    assert all(mine.metrics[name] == whole.metrics[name] != 0 for name in task.metrics)
    assert mine.n == whole.n == len(answers) < len(truth.gold.ids)
    assert mine.metrics == whole.metrics
    assert truth.sample(answers).score(answers, metrics="cider").metrics == mine.metrics


@pytest.mark.parametrize("task", ["vqa", "okvqa", "gqa", "caption", "snli-ve"])
def test_metrics_on_a_sample_in_memory_are_those_of_the_files(lab, task):
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
        assert list(truth.gold.right) == [[right] * 10] * 2 and truth.gold.ids == [1, 2]


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


def test_grades_of_several_files_are_those_of_one(grades, tmp_path):
    head, *lines = (tmp_path / "dev.tsv").read_text().splitlines()
    for name, part in {"one": lines[:6], "two": lines[6:]}.items():
        (tmp_path / f"{name}.tsv").write_text("\n".join([head, *part]) + "\n")
    split = grades.splits["val"].model_copy(update={"files": {"table": ["one.tsv", "two.tsv"]}})
    manifest = grades.model_copy(update={"splits": {"val": split}})
    whole, parts = (find_truth(find_task("stsb"), one, "val", load_rows(one, "val")) for one in (grades, manifest))
    assert parts.gold == whole.gold
    # 0.37 of a row's number: none is a multiple of 0.2, which rows are rounded to.
    assert parts.gold.right[1] == 1.11


def test_labels_of_a_manifest_are_those_that_count(tmp_path):
    """The other way round than GLUE's: the rows' own targets are right."""
    (tmp_path / "dev.tsv").write_text("text\tclass\nbad\t1\ngood\t0\n")
    split = {"files": {"table": "dev.tsv"}}
    fields = {"sentence": "text", "label": "class"}
    labels = {"0": "positive", "1": "negative"}
    values = {"name": "m", "format": "table", "fields": fields, "labels": labels, "splits": {"val": split}}
    manifest = load_manifest(values, tmp_path)
    truth = find_truth(find_task("sst2"), manifest, "val", load_rows(manifest, "val"))
    assert truth.score({"0": "negative", "1": "positive"}).metrics["accuracy"] == 100.0


@pytest.mark.parametrize("task", ["vqa", "caption"])
def test_ids_of_a_users_own_may_be_texts(tmp_path, task):
    answers = [{"answer": "red"}] * 10
    contents = {
        "q.json": {"questions": [{"question_id": id, "image_id": id, "question": "?"} for id in ("cat-a", 7)]},
        "a.json": {"annotations": [{"question_id": id, "image_id": id, "answers": answers} for id in ("cat-a", 7)]},
        "c.json": {
            "images": [{"id": id, "file_name": f"{id}.jpg"} for id in ("cat-a", 7)],
            "annotations": [{"image_id": id, "caption": "A red cat."} for id in ("cat-a", 7)],
        },
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    files = {"vqa": {"questions": "q.json", "annotations": "a.json"}, "caption": {"annotations": "c.json"}}[task]
    form = {"vqa": "vqa", "caption": "coco-captions"}[task]
    manifest = load_manifest({"name": "own", "format": form, "splits": {"val": {"files": files}}}, tmp_path)
    truth = find_truth(find_task(task), manifest, "val", load_rows(manifest, "val"))
    given = {"cat-a": "red", "7": "red"}
    assert truth.score(given, metrics="bleu").n == 2
    records = prediction_file(find_task(task)).records(given)
    assert [next(iter(record.values())) for record in records] == ["cat-a", 7]
    paths = {name: tmp_path / file for name, file in files.items()}
    wanted = {"metrics": "bleu"} if task == "caption" else {}
    assert score(task, predictions=records, **paths, **wanted).metrics == truth.score(given, metrics="bleu").metrics


def test_a_split_of_several_jsonl_files_is_scored_as_of_one(lab, tmp_path):
    manifest, task = load_manifest(lab.folder / "snli_ve.yaml"), find_task("snli-ve")
    whole = find_truth(task, manifest, "val", load_rows(manifest, "val"))
    lines = manifest.source("val").files["annotations"][0].read_text().splitlines(keepends=True)
    for part in (0, 1):
        (tmp_path / f"{part}.jsonl").write_text("".join(lines[part::2]))
    values = {
        "name": "parts",
        "format": "snli-ve",
        "splits": {"val": {"files": {"annotations": ["0.jsonl", "1.jsonl"]}}},
    }
    parts = load_manifest(values, tmp_path)
    truth = find_truth(task, parts, "val", load_rows(parts, "val"))
    answers = some_answers(whole)
    expected, found = whole.score(answers), truth.score(answers)
    assert dict(found.flat()) == pytest.approx(dict(expected.flat()), rel=1e-12) and found.n == expected.n
    assert "truth" not in found.to_json()


def test_parquet_rows_are_scored_as_the_official_file(lab, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    task, manifest = find_task("vqa"), load_manifest(lab.folder / "vqa.yaml")
    official = find_truth(task, manifest, "val", load_rows(manifest, "val"))
    asked = {one["question_id"]: one for one in read_json(manifest.source("val").files["questions"][0])["questions"]}
    records = [
        {**one, **asked[one["question_id"]]}
        for one in read_json(manifest.source("val").files["annotations"][0])["annotations"]
    ]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "val.parquet")
    fields = {"id": "question_id", "image": "image_id", "question": "question", "answers": "answers"}
    values = {"name": "h", "format": "table", "fields": fields, "splits": {"val": {"files": {"table": "*.parquet"}}}}
    hub = load_manifest(values, tmp_path)
    truth = find_truth(task, hub, "val", load_rows(hub, "val"))
    answers = some_answers(official)
    found, expected = (one.score(answers) for one in (truth, official))
    assert found.to_json()["truth"] == "rows" and "truth" not in expected.to_json()
    assert found.metrics["overall"] == pytest.approx(expected.metrics["overall"], rel=1e-12)
    assert 0 < found.metrics["overall"] < 100


@pytest.mark.parametrize(
    ("task", "row", "answers", "metric"),
    [
        ("gqa", {"label": "red"}, "red", "accuracy"),
        ("caption", {"captions": ["a red ball", "one ball"]}, "a red ball", "BLEU-1"),
        ("boolq", {"label": "1"}, "True", "accuracy"),
    ],
)
def test_rows_of_a_table_are_scored(tmp_path, task, row, answers, metric):
    texts = {name: name for name in find_task(task).columns}
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"n": n, **texts, **row}) + "\n" for n in range(3)))
    fields = {"id": "n", "image": "n", **texts, **{key: key for key in row}}
    labels = {"labels": {"0": "False", "1": "True"}} if task == "boolq" else {}
    split = {"hub": {"id": "x", "split": "y"}, "files": {"table": ["t.jsonl"]}}
    values = {"name": "t", "format": "table", "fields": fields, **labels, "splits": {"val": split}}
    manifest = load_manifest(values, tmp_path)
    truth = find_truth(find_task(task), manifest, "val", load_rows(manifest, "val"))
    report = truth.score({"0": answers, "2": answers}, metrics="bleu")
    assert (report.n, report.total, report.metrics[metric]) == (2, 3, pytest.approx(100))


def test_a_row_with_a_label_the_task_does_not_know_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1, "s": "x", "label": "odd"}\n')
    (tmp_path / "b.jsonl").write_text('{"n": 2, "s": "x", "label": "acceptable"}\n')
    fields = {"id": "n", "sentence": "s", "label": "label"}
    split = {"files": {"table": ["a.jsonl", "b.jsonl"]}}
    manifest = load_manifest({"name": "t", "format": "table", "fields": fields, "splits": {"val": split}}, tmp_path)
    truth = find_truth(find_task("cola"), manifest, "val", load_rows(manifest, "val"))
    with pytest.raises(UserError, match="t, split val: row 1 has the label 'odd'; cola is scored on unacceptable"):
        truth.score({"1": "acceptable", "2": "acceptable"})


WORDS = st.sampled_from(["red", "Red", "a red", "2", "two", "red,", "blue"])


@given(st.lists(WORDS, min_size=10, max_size=10), WORDS, st.sampled_from(["official", "vl-t5", "lmms-eval"]))
def test_ten_answers_made_of_soft_scores_score_as_the_real_ten(answers, prediction, variant):
    assert len(people(*soft_scores(answers))) == 10
    expected = vqa_accuracy(prediction, answers, variant)
    assert vqa_accuracy(prediction, people(*soft_scores(answers)), variant) == pytest.approx(expected, abs=1e-9)


def test_blank_answers_are_filled_in():
    assert people(*soft_scores(["no", "no", "", " ", "yes", "a", "b", "c", "d", "e"])).count("") == 2


def test_answers_to_other_rows_are_told(lab):
    manifest = load_manifest(lab.folder / "gqa.yaml")
    truth = find_truth(find_task("gqa"), manifest, "val", load_rows(manifest, "val"))
    with pytest.raises(UserError, match="gqa: none of the rows has a reference answer; do these files belong to"):
        truth.score({"nowhere": "no"})


def test_a_task_without_metrics_and_a_split_without_answers_have_no_truth(lab, tmp_path):
    manifest = load_manifest(lab.folder / "vqa.yaml")
    rows = load_rows(manifest, "val")
    assert find_truth(find_task("vg_qa"), manifest, "val", rows) is None
    questions = manifest.source("val").files["questions"]
    files = {"questions": [str(path) for path in questions]}
    alone = load_manifest({"name": "q", "format": "vqa", "splits": {"val": {"files": files}}}, tmp_path)
    assert find_truth(find_task("vqa"), alone, "val", load_rows(alone, "val")) is None


@pytest.mark.parametrize("task", ["vqa", "gqa"])
def test_vl_t5s_list_is_scored(tmp_path, task):
    record = {"img_id": "i", "label": {"red": 1.0}, "answers": [{"answer": "red"}] * 10, "is_topk_optimal": True}
    # GQA's loader takes `question` for `sent` too, and so does its length in words.
    records = [
        {**record, "question_id": "1", "question": "Is it?"},
        {**record, "question_id": "2", "sent": "Is it it?"},
    ]
    (tmp_path / "q.json").write_text(json.dumps(records))
    values = {"name": "v", "format": "vl-t5", "splits": {"val": {"files": {"questions": "q.json"}}}}
    manifest = load_manifest(values, tmp_path)
    truth = find_truth(find_task(task), manifest, "val", load_rows(manifest, "val"))
    report = truth.score({"1": "red", "2": "blue"})
    more = {"vqa": {"in_domain": 50.0}, "gqa": {"words": {"2": 100.0, "3": 0.0}}}[task]
    assert more.items() <= report.metrics.items()
    file = {"vqa": "annotations", "gqa": "questions"}[task]
    records = prediction_file(find_task(task)).records({"1": "red", "2": "blue"})
    assert score(task, predictions=records, **{file: tmp_path / "q.json"}).metrics == report.metrics
