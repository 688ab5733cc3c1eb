"""Predictions as other programs write them are read, and what was taken for what is said."""

import gzip
import io
import json
import sys

import openpyxl
import pytest
from vqa_cases import annotation, official

from vlhyper.errors import UserError
from vlhyper.readers import sheets
from vlhyper.readers.references import read_references_gold
from vlhyper.readers.source import Source
from vlhyper.scoring import SCORERS, score
from vlhyper.scoring.predictions import read_predictions

ANSWERS = {1: "white", 2: "yes", 3: "no"}


@pytest.fixture
def truth(tmp_path):
    return official(tmp_path / "a.json", [annotation(id, [text] * 10) for id, text in ANSWERS.items()])


def lines(records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


LAVA = [
    {"question_id": id, "prompt": "?", "text": text, "answer_id": "x", "metadata": {}} for id, text in ANSWERS.items()
]
LMMS = [
    {"doc_id": n, "doc": {"question_id": id, "answers": []}, "filtered_resps": [[text]], "target": "x"}
    for n, (id, text) in enumerate(ANSWERS.items())
]
FILES = {
    "list.json": (json.dumps([{"question_id": id, "answer": text} for id, text in ANSWERS.items()]), ""),
    "lines.jsonl": (
        lines({"question_id": id, "answer": text} for id, text in ANSWERS.items()),
        "JSON lines, ids under 'question_id'",
    ),
    "merge.jsonl": (lines(LAVA), "JSON lines, ids under 'question_id', answers under 'text'"),
    "object.json": (json.dumps({str(id): text for id, text in ANSWERS.items()}), "an object {id: answer}"),
    "table.csv": ("question_id,answer\n" + "".join(f'{id},"{text}"\n' for id, text in ANSWERS.items()), "csv"),
    "table.tsv": (
        "qid\tpred_ans\n" + "".join(f"{id}\t{text}\n" for id, text in ANSWERS.items()),
        "tsv, ids under 'qid'",
    ),
    "samples.jsonl": (lines(LMMS), "samples of lmms-eval"),
    "results.json": (
        json.dumps({"results": [{"id": id, "response": text} for id, text in ANSWERS.items()]}),
        "a list in an object",
    ),
    "records.json": (
        json.dumps({str(id): {"direct_answer": text} for id, text in ANSWERS.items()}),
        "an object {id: record}, ids under 'question_id', answers under 'direct_answer'",
    ),
    # VLMEvalKit keeps the truth beside the prediction.
    "both.json": (
        json.dumps([{"question_id": id, "answer": "truth", "prediction": text} for id, text in ANSWERS.items()]),
        "answers under 'prediction'",
    ),
    "pandas.json": (
        json.dumps(
            {
                "question_id": dict(zip("abc", ANSWERS, strict=True)),
                "answer": dict(zip("abc", ANSWERS.values(), strict=True)),
            }
        ),
        "ids under 'question_id'",
    ),
    "excel.csv": (
        "Question_ID;Answer\r\n" + "".join(f"{id};{text}\r\n" for id, text in ANSWERS.items()),
        "csv, ids under 'Question_ID', answers under 'Answer'",
    ),
    # Quotation marks where pandas needs them, and the truth beside the prediction.
    "model_DATA.tsv": (
        "index\tquestion\tanswer\tprediction\n"
        + "".join(f'{id}\t"What is ""it""?\nSay."\ttruth\t{text}\n' for id, text in ANSWERS.items()),
        "tsv, ids under 'index', answers under 'prediction'",
    ),
    "csv.out": ("question_id,answer\n" + "".join(f"{id},{text}\n" for id, text in ANSWERS.items()), "csv"),
    "logs.json": (json.dumps({"args": {}, "logs": LMMS}), "samples of lmms-eval"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_each_layout_is_read_and_said(truth, tmp_path, capsys, name, packed):
    content, told = FILES[name]
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    report = score("vqa", predictions=path, annotations=truth)
    assert (report.n, report.metrics["overall"]) == (3, 100.0)
    said = capsys.readouterr().err
    assert said.count("\n") == (1 if told else 0) and told in said


CAPTIONS = {
    # As CapEvalKit's README has them.
    "predictions.jsonl": (
        '{"id": "0001", "caption": "A dog runs through grass.", "image": "0001.jpg"}\n'
        '{"id": "0002", "caption": "A person rides a bicycle.", "image": "0002.jpg"}\n',
        "JSON lines, ids under 'id', answers under 'caption'",
    ),
    "results.json": (
        json.dumps({"overall": {"CIDEr": 1}, "imgToEval": {"1": {"image_id": "0001", "caption": "a dog", "CIDEr": 1}}}),
        "the captions of imgToEval",
    ),
    "other.jsonl": (
        '{"id": "0001", "prediction": "A dog."}\n',
        "one record, ids under 'id', answers under 'prediction'",
    ),
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions_of_other_programs(tmp_path, capsys, name):
    (tmp_path / name).write_text(CAPTIONS[name][0])
    (tmp_path / "references.jsonl").write_text(
        '{"id": "0001", "references": ["A dog runs outside.", "A dog is in a grassy field."]}\n'
        '{"id": "0002", "references": ["A cyclist rides on a road.", "A person rides a bike."]}\n'
    )
    ids = read_references_gold(Source({"annotations": (tmp_path / "references.jsonl",)})).ids
    given = read_predictions(tmp_path / name, SCORERS["caption"].predictions)
    assert given and set(given) <= set(ids)
    assert CAPTIONS[name][1] in capsys.readouterr().err


def test_files_of_several_ranks_are_one(truth, tmp_path):
    for rank, part in enumerate((LAVA[:2], LAVA[2:])):
        (tmp_path / f"rank_{rank}.jsonl").write_text(lines(part) + lines(part[:1]))
    assert score("vqa", predictions=tmp_path / "rank_*.jsonl", annotations=truth).n == 3


def test_one_json_line_is_one_record(truth, tmp_path):
    (tmp_path / "p.jsonl").write_text(lines(LAVA[:1]))
    assert score("vqa", predictions=tmp_path / "p.jsonl", annotations=truth, partial=True).metrics["overall"] == 100.0


def workbook(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_a_workbook_is_read(truth, tmp_path, capsys):
    rows = [(float(id), "what?", "truth", text, None) for id, text in ANSWERS.items()]
    header = ("question_id", "question", "answer", "prediction", None)
    path = workbook(tmp_path / "p.xlsx", [header, *rows, (None,) * 5])
    report = score("vqa", predictions=path, annotations=truth)
    assert (report.n, report.metrics["overall"]) == (3, 100.0)
    assert "read as xlsx, ids under 'question_id', answers under 'prediction'" in capsys.readouterr().err


def test_an_empty_cell_is_an_empty_answer(truth, tmp_path):
    path = workbook(tmp_path / "p.xlsx", [("index", "prediction"), (1, "white"), (2, None), (3, "no")])
    assert score("vqa", predictions=path, annotations=truth).metrics["overall"] == pytest.approx(200 / 3)


def test_what_is_no_workbook_or_cannot_be_read_is_said(truth, tmp_path, monkeypatch):
    (tmp_path / "p.xlsx").write_text("no")
    with pytest.raises(UserError, match=r"p\.xlsx: not a readable \.xlsx workbook; save the sheet as csv"):
        score("vqa", predictions=tmp_path / "p.xlsx", annotations=truth)
    path = workbook(tmp_path / "p.xlsx", [("index", "prediction"), (1, "white")])
    monkeypatch.setattr(sheets, "MOST_BYTES", 100)
    with pytest.raises(UserError, match=r"p\.xlsx: holds more than 0 MB unpacked"):
        score("vqa", predictions=path, annotations=truth)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"p\.xlsx: reading \.xlsx needs openpyxl; pip install openpyxl"):
        score("vqa", predictions=path, annotations=truth)


def test_standard_input_is_read_once(truth, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(LAVA).encode())))
    assert score("vqa", predictions="-", annotations=truth).n == 3


def test_keys_may_be_named(truth, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps([{"q": id, "a": text, "answer": "x"} for id, text in ANSWERS.items()]))
    assert score("vqa", predictions=tmp_path / "p.json", annotations=truth, id_key="q", answer_key="a").n == 3
    with pytest.raises(UserError, match="has no 'question_id'; its keys are 'q', 'a'"):
        score("vqa", predictions=tmp_path / "p.json", annotations=truth)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.csv", "question_id,answer\n1,a,b\n", "row 2 has other cells than the header"),
        ("p.csv", 'question_id,answer\n1,"a\n', "save the table as a plain csv"),
        ("p.jsonl", lines(LAVA)[:-4], "not JSON: Extra data"),
        ("p.json", "{}", "is an object; it must be a list of records"),
    ],
)
def test_what_is_wrong_is_one_line(truth, tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=told) as refusal:
        score("vqa", predictions=tmp_path / name, annotations=truth)
    assert "\n" not in str(refusal.value) and name in str(refusal.value)


def test_labels_come_in_every_spelling_of_the_truth(tmp_path):
    rows = [{"idx": n, "label": n % 2 == 1} for n in range(4)]
    (tmp_path / "boolq.jsonl").write_text(lines(rows))
    for answers in (["false", "true"] * 2, ["0", "1"] * 2, [False, True] * 2, [0, 1] * 2):
        given = [{"id": n, "prediction": answer} for n, answer in enumerate(answers)]
        report = score("boolq", predictions=given, annotations=tmp_path / "boolq.jsonl")
        assert report.metrics["accuracy"] == 100.0 and report.notes == []


def test_predictions_that_are_no_label_are_said(tmp_path):
    (tmp_path / "rte.tsv").write_text("index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\ta\tb\tentailment\n")
    report = score("glue:rte", predictions=["Entailment.", "maybe"], annotations=tmp_path / "rte.tsv")
    (note,) = report.notes
    assert note.startswith("2 of 2 predictions are not among the labels entailment, not_entailment")
    assert "1 would match without case and final period" in note and report.to_json()["notes"] == [note]


def test_grades_beyond_the_scale_are_kept_as_t5_keeps_them(tmp_path):
    grades = [0.0, 1.0, 2.5, 4.0, 5.0]
    body = "".join(f"{n}\ta\tb\t{grade}\n" for n, grade in enumerate(grades))
    (tmp_path / "dev.tsv").write_text("index\tsentence1\tsentence2\tscore\n" + body)
    given = [{"id": n, "prediction": grade + 0.02} for n, grade in enumerate(grades)]
    assert score("glue:stsb", predictions=given, annotations=tmp_path / "dev.tsv").metrics["pearson"] == pytest.approx(
        100
    )


def test_fewer_than_ten_answers_are_said(tmp_path):
    path = official(tmp_path / "a.json", [annotation(1, ["no"]), annotation(2, ["no"] * 10)])
    report = score("vqa", predictions=[{"question_id": n, "answer": "no"} for n in (1, 2)], annotations=path)
    assert report.metrics["overall"] == 50.0
    assert report.notes[0].startswith("1 of 2 questions have fewer than 10 answers")


def test_cider_of_one_image_is_explained(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "caption": "A dog."}],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    given = [{"image_id": 1, "caption": "a dog"}]
    report = score("caption", predictions=given, annotations=tmp_path / "c.json", metrics="cider")
    assert report.metrics["CIDEr"] == 0.0 and report.notes[0].startswith("over one image CIDEr is 0 by definition")
