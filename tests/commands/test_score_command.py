"""`vlhyper score` as a user types it."""

import json
import signal
import subprocess
import sys
import time

import pytest

from vlhyper.cli import run
from vlhyper.errors import UserError

ANSWERS = {"question_type": "is it", "answer_type": "yes/no", "answers": [{"answer": "yes"}] * 10}


@pytest.fixture
def files(tmp_path):
    content = {
        "a.json": {"annotations": [{"question_id": number, "image_id": 1, **ANSWERS} for number in (1, 2)]},
        "p.json": [{"question_id": 1, "answer": "yes"}, {"question_id": 2, "answer": "no"}],
        "q.json": {"questions": [{"question_id": number, "image_id": 1, "question": "?"} for number in (1, 2)]},
    }
    for name, value in content.items():
        (tmp_path / name).write_text(json.dumps(value))
    return {name[0]: str(tmp_path / name) for name in content}


def vlhyper(*arguments, prelude=""):
    code = f"{prelude}\nimport sys\nfrom vlhyper.cli import main\nsys.argv = {['vlhyper', *arguments]!r}\nmain()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_json_table_and_items(files, tmp_path, capsys):
    arguments = ["score", "vqa", "--annotations", files["a"], "--predictions", files["p"], "--confidence"]
    items = tmp_path / "items.jsonl"
    run([*arguments, "--json", "--items", str(items), "--against", files["p"]])
    report = json.loads(capsys.readouterr().out)
    assert {key: report[key] for key in ("task", "variant", "n")} == {"task": "vqa", "variant": "official", "n": 2}
    assert report["metrics"]["overall"] == 50.0
    assert set(report["confidence"]["intervals"]) == set(report["against"]["difference"]) == set(report["metrics"])
    assert [json.loads(line) for line in items.read_text().splitlines()] == [
        {"id": 1, "scores": {"overall": 100.0}},
        {"id": 2, "scores": {"overall": 0.0}},
    ]
    run([*arguments, "--against", files["p"]])
    table = capsys.readouterr()
    assert "vqa (official): 2 of 2 scored\n" in table.out
    assert "50.00" in table.out
    assert "+0.00 [0.0, 0.0]" in table.out
    assert "in_domain skipped" in table.err


def test_submission_is_written_and_checked(files, tmp_path, capsys):
    upload = str(tmp_path / "upload.json")
    run(["score", "vqa", "--questions", files["q"], "--predictions", files["p"], "--submission", upload])
    assert json.loads((tmp_path / "upload.json").read_text())[1] == {"question_id": 2, "answer": "no"}
    run(["score", "vqa", "--questions", files["q"], "--submission", upload, "--json"])
    assert json.loads(capsys.readouterr().out)["n"] == 2


@pytest.mark.parametrize("option", ["--items", "--submission"])
def test_nothing_is_written_over_inputs_folders_and_devices(files, tmp_path, option):
    truth = ["--questions", files["q"]] if option == "--submission" else ["--annotations", files["a"]]
    arguments = ["score", "vqa", *truth, "--predictions", files["p"], option]
    before = sorted(tmp_path.iterdir())
    for path, words in (
        (tmp_path, "this is a folder"),
        ("/dev/null", "this is a device or a pipe"),
        (files["p"], "would overwrite the input of --predictions"),
        (truth[1], f"would overwrite the input of {truth[0]}"),
        (f"{files['p']}/x", "cannot be written"),
        (tmp_path / ("x" * 300), "cannot be written"),
    ):
        with pytest.raises(UserError, match=words):
            run([*arguments, str(path)])
    assert sorted(tmp_path.iterdir()) == before


def test_a_submission_takes_no_options_of_scoring(files, tmp_path):
    out = tmp_path / "u.json"
    arguments = ["score", "vqa", "--questions", files["q"], "--predictions", files["p"], "--submission", str(out)]
    with pytest.raises(UserError, match="gives no score; leave out --partial, --confidence"):
        run([*arguments, "--confidence", "--partial"])
    assert not out.exists()


def test_names_from_a_file_are_shown_and_not_obeyed(files, tmp_path, capsys):
    record = {"question_id": 1, "image_id": 1, **ANSWERS, "question_type": "[/red] \x1b[31m", "answer_type": "[b]x"}
    (tmp_path / "a.json").write_text(json.dumps({"annotations": [record]}))
    (tmp_path / "p.json").write_text(json.dumps([{"question_id": 1, "answer": "yes"}]))
    run(["score", "vqa", "--annotations", files["a"], "--predictions", files["p"]])
    table = capsys.readouterr().out
    assert "[b]x" in table
    assert "[/red]" in table
    assert "\x1b[31m" not in table


def test_json_needs_no_encoding(files, tmp_path):
    record = {"question_id": 1, "image_id": 1, **ANSWERS, "question_type": "größe"}
    (tmp_path / "a.json").write_text(json.dumps({"annotations": [record]}))
    (tmp_path / "p.json").write_text(json.dumps([{"question_id": 1, "answer": "yes"}]))
    prelude = "import sys; sys.stdout.reconfigure(encoding='ascii')"
    done = vlhyper("score", "vqa", "--annotations", files["a"], "--predictions", files["p"], "--json", prelude=prelude)
    assert done.returncode == 0
    assert json.loads(done.stdout)["metrics"]["question_type"] == {"größe": 100.0}


def test_without_torch_and_light(files):
    """The blocker makes any import of a heavy library an error, so that none is needed."""
    heavy = ("torch", "transformers", "datasets", "scipy", "sklearn", "pycocoevalcap", "h5py", "jgo")
    blocker = f"import sys\nfor name in {heavy!r}: sys.modules[name] = None"
    done = vlhyper("score", "vqa", "--annotations", files["a"], "--predictions", files["p"], "--json", prelude=blocker)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["overall"] == 50.0


def test_faults_are_one_line_and_exit_code_2(files, tmp_path):
    (tmp_path / "b.json").write_text('[{"question_id": 1, "answer": 7}]')
    done = vlhyper("score", "vqa", "--annotations", files["a"], "--predictions", str(tmp_path / "b.json"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"vlhyper: {tmp_path}/b.json: record 1 (question_id 1): 'answer' must be text, is 7\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score", "vqa"], "needs --predictions"),
        (["score", "vqa", "--predictions", "p.json"], "needs --annotations"),
        (["score", "gqa", "--predictions", "p.json", "--variant", "x"], "takes no --variant"),
        (["score", "vqa", "--submission", "p.json"], "needs --questions"),
    ],
)
def test_what_is_missing_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        run(arguments)


def test_starts_in_well_under_a_second(files):
    """Measured against starting Python itself, for a loaded machine slows both."""
    began = time.monotonic()
    vlhyper("score", "vqa", "--annotations", files["a"], "--predictions", files["p"], "--json")
    ours = time.monotonic() - began
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import typer, json, rich.console"], check=True)
    assert ours < 10 * (time.monotonic() - began)


def test_a_place_that_cannot_be_written_is_found_before_the_work(files):
    arguments = ["--annotations", "missing.json", "--predictions", files["p"]]
    with pytest.raises(UserError, match=r"items\.jsonl: cannot be written \(Not a directory\)"):
        run(["score", "vqa", *arguments, "--items", f"{files['a']}/items.jsonl"])


def test_a_link_stays_one(files, tmp_path, capsys):
    (tmp_path / "items.jsonl").symlink_to(tmp_path / "real.jsonl")
    arguments = ["--annotations", files["a"], "--predictions", files["p"]]
    run(["score", "vqa", *arguments, "--items", str(tmp_path / "items.jsonl")])
    assert (tmp_path / "items.jsonl").is_symlink()
    assert (tmp_path / "real.jsonl").read_text()


def test_a_closed_standard_error_costs_no_score(files):
    arguments = ["--annotations", files["a"], "--predictions", files["p"], "--json"]
    command = [sys.executable, "-m", "vlhyper", "score", "vqa", *arguments]
    done = subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *command], stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout)["n"]


def test_questions_without_annotations_hint_at_a_submission(files):
    with pytest.raises(UserError, match="needs --annotations; to write a test server's file"):
        run(["score", "vqa", "--questions", "q.json", "--predictions", "p.json"])


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="hangups are POSIX")
def test_a_hangup_that_nohup_ignores_stays_ignored(files):
    arguments = ["score", "vqa", "--annotations", files["a"], "--predictions", files["p"], "--json"]
    ignore = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nimport atexit"
    told = "atexit.register(lambda: print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN))"
    assert vlhyper(*arguments, prelude=f"{ignore}\n{told}").stdout.split()[-1] == "True"
