"""Files of the GLUE and SuperGLUE sites: written from predictions, checked as files, folders and zips, packed."""

import json
import zipfile
from dataclasses import replace

import pytest

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.scoring import SCORERS
from vlhyper.scoring.submission import submit
from vlhyper.scoring.suites import members_of
from vlhyper.scoring.uploads import Upload

# A right answer for each file as a system gives it, and as the site spells it.
SPELT = {
    "CoLA.tsv": ("acceptable", "1"),
    "SST-2.tsv": ("negative", "0"),
    "MRPC.tsv": ("equivalent", "1"),
    "QQP.tsv": ("not_duplicate", "0"),
    "STS-B.tsv": ("5.02", "5.0"),
    "MNLI-m.tsv": ("neutral", "neutral"),
    "MNLI-mm.tsv": ("2", "contradiction"),
    "AX.tsv": ("entailment", "entailment"),
    "QNLI.tsv": ("not_entailment", "not_entailment"),
    "RTE.tsv": ("entailment", "entailment"),
    "WNLI.tsv": ("entailment", "1"),
    "CB.jsonl": ("contradiction", "contradiction"),
    "BoolQ.jsonl": ("True", "true"),
    "RTE.jsonl": ("entailment", "entailment"),
}
SIZES = {"CoLA.tsv": 1063, "SST-2.tsv": 1821, "MRPC.tsv": 1725, "QQP.tsv": 390965, "STS-B.tsv": 1379, "RTE.tsv": 3000}
SIZES |= {"MNLI-m.tsv": 9796, "MNLI-mm.tsv": 9847, "AX.tsv": 1104, "QNLI.tsv": 5463, "WNLI.tsv": 146}
SIZES |= {"CB.jsonl": 250, "BoolQ.jsonl": 3245, "RTE.jsonl": 3000}
FILES = {name: task for task, row in SCORERS.items() if row.server for name in row.server.uploads}


def test_the_files_of_the_sites_and_the_sizes_of_their_test_sets():
    sizes = {name: SCORERS[task].server.uploads[name].items for name, task in FILES.items()}
    assert sizes == SIZES
    assert set(members_of("glue")) == {name for name in SIZES if name.endswith(".tsv")}


@pytest.fixture
def small(monkeypatch):
    """The sites as if each of their test sets had two items."""
    for task in set(FILES.values()):
        server = SCORERS[task].server
        two = {name: Upload(upload.suite, 2) for name, upload in server.uploads.items()}
        monkeypatch.setitem(SCORERS, task, replace(SCORERS[task], server=replace(server, uploads=two)))


@pytest.fixture
def glue(small, tmp_path):
    """A folder with GLUE's eleven files."""
    for name in filter(lambda name: name.endswith(".tsv"), FILES):
        (tmp_path / "glue" / name).parent.mkdir(exist_ok=True)
        submit(FILES[name], submission=tmp_path / "glue" / name, predictions=[SPELT[name][0]] * 2)
    return tmp_path / "glue"


@pytest.mark.parametrize("name", FILES)
def test_labels_are_written_as_the_site_spells_them(name, small, tmp_path):
    given, written = SPELT[name]
    path = tmp_path / name
    submit(FILES[name], submission=path, predictions=[{"id": 1, "prediction": given}, {"id": "0", "prediction": given}])
    lines = path.read_text().splitlines()
    if name.endswith(".tsv"):
        assert lines == ["index\tprediction", f"0\t{written}", f"1\t{written}"]
    else:
        assert list(map(json.loads, lines)) == [{"idx": 0, "label": written}, {"idx": 1, "label": written}]
    assert submit(FILES[name], submission=path).n == 2


def test_the_items_of_a_test_file_without_labels(tmp_path):
    (tmp_path / "test.tsv").write_text("index\tsentence\n7\tIt is.\n9\tIs it\n")
    (tmp_path / "test.jsonl").write_text('{"question": "q", "passage": "p", "idx": 4}\n')
    arguments = {"questions": tmp_path / "test.tsv", "submission": tmp_path / "CoLA.tsv"}
    submit("glue:cola", **arguments, predictions=[{"id": 9, "prediction": 1}, {"id": 7, "prediction": 0}])
    assert (tmp_path / "CoLA.tsv").read_text() == "index\tprediction\n7\t0\n9\t1\n"
    with pytest.raises(UserError, match=r"ids are not in the published test set of 1,063|1061 of 1063"):
        submit("glue:cola", submission=tmp_path / "CoLA.tsv")
    submit("boolq", questions=tmp_path / "test.jsonl", submission=tmp_path / "BoolQ.jsonl", predictions=["False"])
    assert (tmp_path / "BoolQ.jsonl").read_text() == '{"idx": 4, "label": "false"}\n'


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("CoLA.tsv", "index\tprediction\n0\t1\n", r"CoLA\.tsv: 1 of 2 have no prediction \(1\)"),
        ("CoLA.tsv", "index\tprediction\n0\t1\n1\t1\n2\t1\n", r"1 ids are not in the published test set of 2 \(2\)"),
        ("CoLA.tsv", "index\tprediction\n0\t1\n1\t1\n1\t1\n", "duplicate id 1;"),
        ("CoLA.tsv", "index\tprediction\n0\t1\n1\tacceptable\n", r"1 of 2 .* labels 0, 1 \(line 3: 'acceptable'\)"),
        ("CoLA.tsv", "0\t1\n1\t1\n", r"line 1 is '0\\t1'; it must be the header"),
        ("CoLA.tsv", "index\tprediction\n0.0\t1\n1\t1\n", r"1 ids are no whole numbers \(line 2: '0.0'\)"),
        ("CoLA.tsv", "index\tprediction\n0\t1\t0\n", "line 2 has 3 columns"),
        ("STS-B.tsv", "index\tprediction\n0\t5.02\n1\tnan\n", r"2 of 2 answers are no grades from 0 to 5"),
        ("MNLI-m.tsv", "index\tprediction\n0\t1\n1\t1\n", "labels entailment, neutral, contradiction"),
        ("BoolQ.jsonl", '{"idx": 0, "label": true}\n{"idx": 1, "label": "true"}\n', "record 1 is .*; write it like"),
        ("BoolQ.jsonl", '{"idx": "0", "label": "true"}\n', "record 1 is .*; write it like"),
        ("BoolQ.jsonl", '{"id": 0, "label": "true"}\n', "record 1 is .*; write it like"),
        ("cola.tsv", "", r"the server takes a file named CoLA\.tsv; name it so"),
    ],
)
def test_what_a_site_refuses_is_one_line(name, content, fault, small, tmp_path):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError, match=fault) as refusal:
        submit(FILES.get(name, "glue:cola"), submission=path)
    assert "\n" not in str(refusal.value)


def test_an_answer_that_is_no_label_is_not_written(small, tmp_path):
    with pytest.raises(UserError, match=r"CoLA\.tsv: 1 of 2 .* labels unacceptable, acceptable \(1: 'acceptabl'\)"):
        submit("glue:cola", submission=tmp_path / "CoLA.tsv", predictions=["acceptable", "acceptabl"])
    assert not list(tmp_path.iterdir())


def test_a_suite_is_packed_and_checked_as_folder_zip_and_file(glue, tmp_path, capsys):
    (glue / "._CoLA.tsv").write_bytes(b"\0")
    out = str(tmp_path / "glue.zip")
    run(["score", "glue", "--predictions", str(glue), "--submission", out])
    assert "glue: 22 records are written to" in capsys.readouterr().err
    with zipfile.ZipFile(out) as archive:
        assert set(archive.namelist()) == {name for name in FILES if name.endswith(".tsv")}
        assert archive.read("AX.tsv") == (glue / "AX.tsv").read_bytes()
    for source in (out, str(glue), str(glue / "AX.tsv")):
        run(["score", "glue", "--submission", source])
        assert "complete and correct" in capsys.readouterr().err


def test_what_a_suite_lacks_is_told_unless_a_part_is_meant(glue, tmp_path):
    (glue / "WNLI.tsv").unlink()
    with pytest.raises(UserError, match=r"it lacks WNLI\.tsv; the site wants all 11 files"):
        submit("glue", submission=glue)
    assert submit("glue", submission=glue, partial=True).n == 20
    (glue / "AX.tsv").rename(glue / "Ax.tsv")
    with pytest.raises(UserError, match=r"Ax\.tsv is no file of glue; did you mean 'AX\.tsv'"):
        submit("glue", submission=glue)
    with pytest.raises(UserError, match="the site takes a zip"):
        submit("glue", submission=tmp_path / "out", predictions=glue)
    with pytest.raises(UserError, match="glue is scored task by task"):
        run(["score", "glue", "--predictions", str(glue)])


def test_files_of_superglue_that_have_no_scorer_are_named(small, tmp_path):
    for name in ("CB.jsonl", "BoolQ.jsonl"):
        submit(FILES[name], submission=tmp_path / name, predictions=[SPELT[name][0]] * 2)
    (tmp_path / "COPA.jsonl").write_text("not read")
    report = submit("superglue", submission=tmp_path, partial=True)
    assert report.n == 4 and "COPA.jsonl were not checked" in report.notes[0]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["x/CoLA.tsv"], r"up\.zip: x/CoLA\.tsv is in a folder"),
        (["CoLA.tsv", "CoLA.tsv"], r"up\.zip: CoLA\.tsv is in it twice"),
        (["CoLA.tsv"], r"^\S+up\.zip/CoLA\.tsv: line 1 is ''"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_that_a_site_cannot_read_are_refused(names, fault, small, tmp_path):
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as archive:
        for name in [*names, "__MACOSX/._CoLA.tsv"]:
            archive.writestr(name, "\n")
    with pytest.raises(UserError, match=fault):
        submit("glue", submission=tmp_path / "up.zip", partial=True)


def test_damaged_and_monstrous_zips_are_refused(glue, tmp_path, monkeypatch):
    submit("glue", submission=tmp_path / "up.zip", predictions=glue)
    content = bytearray((tmp_path / "up.zip").read_bytes())
    content[40:60] = bytes(20)
    (tmp_path / "cut.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"cut\.zip: not a zip that can be read"):
        submit("glue", submission=tmp_path / "cut.zip")
    monkeypatch.setattr("vlhyper.scoring.suites.LARGEST", 10)
    with pytest.raises(UserError, match="no file of a submission is so large"):
        submit("glue", submission=tmp_path / "up.zip")
