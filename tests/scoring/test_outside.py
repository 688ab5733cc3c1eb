"""A task, a layout, a scorer and a test server's file from outside the package: rows of the tables and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vlhyper.errors import UserError
from vlhyper.metrics.report import Report, mean_of
from vlhyper.readers import load_manifest, load_rows
from vlhyper.readers.fields import ident, make_row, text
from vlhyper.readers.formats import FORMATS, Format
from vlhyper.readers.streams import json_lines, read_rows
from vlhyper.scoring import SCORERS, score
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, Server, one_of
from vlhyper.scoring.submission import submit
from vlhyper.scoring.truth import find_truth, prediction_file
from vlhyper.tasks import TASKS, Task, find_task

LINES = [
    {"key": "p-1", "picture": "left", "claim": "There is a dog.", "verdict": "yes"},
    {"key": "p-2", "picture": "left", "claim": "There is a cat.", "verdict": "no"},
    {"key": "p-3", "picture": "right", "claim": "There is a hat.", "verdict": "no"},
]


def read_claims(source):
    """The layout: one JSON object a line; test files have no verdict."""

    def shape(record):
        verdicts = [text(record, "verdict")] if "verdict" in record else []
        return [make_row(ident(record, "key"), ident(record, "picture"), verdicts, claim=text(record, "claim"))]

    for path in source.paths("claims"):
        yield from read_rows(path, json_lines(path), shape)


def agreement(gold, answers, options):
    """The scorer: the share of right verdicts, also by verdict."""
    blind = options.get("case") == "ignored"
    pairs = [(answers[id], right) for id, right in zip(gold.ids, gold.right, strict=True)]
    hits = [100.0 * (given.lower() == right if blind else given == right) for given, right in pairs]
    return Report(
        task="claims",
        n=len(hits),
        metrics={"agreement": sum(hits) / len(hits)},
        ids=gold.ids,
        items={"agreement": hits},
        clusters=gold.clusters,
        summed=lambda: {("agreement",): mean_of(hits)},
    )


def keys_of(path):
    return list(read_rows(path, json_lines(path), lambda record: [ident(record, "key")]))


def write_lines(path: Path, form, answers):
    path.write_text("".join(f"{id}\t{text}\n" for id, text in answers.items()))


def read_lines(path: Path, form):
    return dict(line.split("\t") for line in path.read_text().splitlines())


@pytest.fixture
def outside(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "claims", Format(read_claims, ("claims",), ("claim",)))
    monkeypatch.setitem(
        SCORERS,
        "claims",
        Scorer(
            name="claims",
            report=agreement,
            layouts={"claims": None},
            predictions=PredictionFile("key", "verdict", example=("p-1", "yes")),
            options={"case": one_of("kept", "ignored", what="treatment of case")},
            server=Server(keys_of, write_lines, read_lines),
        ),
    )
    task = Task("claims", "claim: {claim}", scorer="claims", metrics=("agreement",), labels=("yes", "no"))
    monkeypatch.setitem(TASKS, "claims", task)
    (tmp_path / "val.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    values = {"name": "mine", "format": "claims", "splits": {"val": {"files": {"claims": "val.jsonl"}}}}
    return load_manifest(values, tmp_path)


ANSWERS = {"p-1": "yes", "p-2": "No", "p-3": "no"}


def test_rows_truth_and_a_sample(outside):
    task, rows = find_task("claims"), load_rows(outside, "val")
    assert task.prompt_of(rows[0]) == "claim: There is a dog."
    truth = find_truth(task, outside, "val", rows)
    assert truth.score(ANSWERS).metrics["agreement"] == pytest.approx(200 / 3)
    assert truth.score(ANSWERS, case="ignored", metrics="bleu").metrics["agreement"] == 100.0
    assert truth.sample(["p-2"]).score(ANSWERS).to_json()["metrics"] == {"agreement": 0.0}
    assert truth.score(truth.answers()).metrics["agreement"] == 100.0


def test_files_of_predictions_are_scored(outside, tmp_path):
    records = prediction_file(find_task("claims")).records(ANSWERS)
    assert records[0] == {"key": "p-1", "verdict": "yes"}
    (tmp_path / "p.json").write_text(json.dumps(records))
    files = {"predictions": tmp_path / "p.json", "annotations": tmp_path / "val.jsonl"}
    report = score("claims", **files, confidence=True)
    assert report.to_json()["n"] == 3 and report.clusters == ["left", "left", "right"]
    assert report.extra["confidence"]["resampled"] == "image"
    assert score("claims", **files, case="ignored").metrics["agreement"] == 100.0
    with pytest.raises(UserError, match="unknown treatment of case 'kep'; did you mean 'kept'"):
        score("claims", **files, case="kep")
    with pytest.raises(UserError, match="takes no --variant; it takes --annotations, --case, --partial"):
        score("claims", **files, variant="x")
    with pytest.raises(UserError, match=r"list of records: \[\{\"key\": \"p-1\", \"verdict\": \"yes\"\}\]"):
        score("claims", predictions={"a": 1}, annotations=tmp_path / "val.jsonl")


def test_a_servers_own_file_is_written_and_checked(outside, tmp_path):
    upload, questions = str(tmp_path / "upload.tsv"), tmp_path / "val.jsonl"
    records = prediction_file(find_task("claims")).records(ANSWERS)
    assert submit("claims", questions=questions, submission=upload, predictions=records).n == 3
    assert Path(upload).read_text() == "p-1\tyes\np-2\tNo\np-3\tno\n"
    assert submit("claims", questions=questions, submission=upload).n == 3
    Path(upload).write_text("p-1\tyes\n")
    with pytest.raises(UserError, match=r"2 of 3 have no prediction \(p-2, p-3\)"):
        submit("claims", questions=questions, submission=upload)


def test_a_layout_of_ones_own_is_scored_by_a_scorer_that_is_there(outside, tmp_path, monkeypatch):
    """People's answers in lines of JSON: by its rows with the manifest, and by name once the scorer has it."""

    def read(source):
        def shape(record):
            return [make_row(ident(record, "n"), "", ["red"], [1.0], question=text(record, "q"))]

        for path in source.paths("lines"):
            yield from read_rows(path, json_lines(path), shape)

    monkeypatch.setitem(FORMATS, "lines", Format(read, ("lines",), ("question",), recognises=lambda path: True))
    (tmp_path / "a.jsonl").write_text('{"n": 1, "q": "What?"}\n{"n": 2, "q": "What?"}\n')
    values = {"name": "m", "format": "lines", "splits": {"val": {"files": {"lines": "a.jsonl"}}}}
    manifest = load_manifest(values, tmp_path)
    truth = find_truth(find_task("vqa"), manifest, "val", load_rows(manifest, "val"))
    assert truth.score({"1": "Red.", "2": "blue"}).metrics["overall"] == 0.0
    assert truth.score({"1": "red", "2": "blue"}).metrics["overall"] == 50.0
    vqa = SCORERS["vqa"]
    monkeypatch.setitem(SCORERS, "vqa", replace(vqa, layouts={**vqa.layouts, "lines": None}))
    given = [{"question_id": 1, "answer": "red"}, {"question_id": 2, "answer": "blue"}]
    assert score("vqa", predictions=given, annotations=tmp_path / "a.jsonl").metrics["overall"] == 50.0
