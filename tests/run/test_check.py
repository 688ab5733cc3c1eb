"""What stands in the way of a run, said before any training, by `vlhyper check` and by `vlhyper train` alike."""

import json

import pytest
import yaml
from run_cases import GRID, RUN, barred, call, write_features

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.readers import rows as readers
from vlhyper.run.check import problems
from vlhyper.run.config import load_config
from vlhyper.run.identity import identity
from vlhyper.run.tasks import resolve
from vlhyper.run.train import train

pytestmark = pytest.mark.usefixtures("fresh_process")


def found(lab, *overrides: str) -> list[str]:
    lines = list(problems(lab.config("validation.every=3", *overrides), lambda text: None))
    assert all("\n" not in line for line in lines)
    return lines


def test_a_run_that_can_start_has_no_problem_and_is_described(lab):
    told = []
    assert list(problems(lab.config("validation.every=3"), told.append)) == []
    pictures = 40
    assert told[0] == f"features: {pictures} images of {GRID[0]} × {GRID[1]}, RN101"
    assert "caption: split train has 24 rows, 120 examples" in told
    assert "caption: split val has 6 rows" in told
    assert "gqa: split test has 30 rows" in told
    # Features; train and test of four tasks; val of the three that are validated.
    assert len(told) == 1 + 4 + 4 + 3


def test_a_split_that_the_run_does_not_read_is_no_fault_and_a_test_split_is(lab):
    assert list(problems(lab.config("tasks.vqa.validation=dev"), lambda text: None)) == []
    assert any("unknown split 'tset'" in line for line in found(lab, "tasks.vqa.test=tset"))


def test_pictures_that_a_split_leaves_out_are_counted_and_belong_to_the_run(lab, tmp_path, monkeypatch):
    """Also in a manifest that stands in the config: what it names is relative to the config's folder."""
    values = yaml.safe_load(lab.path.read_text())
    data = yaml.safe_load((lab.folder / "vg_qa.yaml").read_text())
    # The world's val pictures are none of train, which a table of pairs makes the first two.
    pairs = [{"mine": mine, "theirs": theirs} for mine, theirs in ((1, 25), (2, 26), (3, 1))]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    through = {"file": str(tmp_path / "pairs.json"), "id": "mine", "other": "theirs"}
    data["splits"]["train"]["exclude"] = [{"manifest": "caption.yaml", "splits": "val", "through": through}]
    count = data["splits"]["train"].pop("count")
    values["tasks"]["vg_qa"]["data"] = data
    (lab.folder / "excluding.yaml").write_text(yaml.safe_dump(values))
    config, told = load_config(lab.folder / "excluding.yaml"), []
    worked_out, kept = [], readers._kept
    monkeypatch.setattr(readers, "_kept", lambda *given: worked_out.append(given[2]) or kept(*given))
    assert list(problems(config, told.append)) == []
    # Of millions of rows this takes a while.
    assert worked_out == ["train"]
    line = next(line for line in told if line.startswith("vg_qa: split train"))
    left = int(line.split(" rows")[0].split()[-1])
    assert line.endswith(f"; {count - left} rows are left out, whose images are in val of caption") and 0 < left < count
    before = identity(resolve(config), None)["tasks"]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs[:1]))
    assert identity(resolve(config), None)["tasks"]["vg_qa"] != before["vg_qa"]


@pytest.fixture
def few(tmp_path):
    """Features of one image that the world does not have."""
    write_features(tmp_path / "few.h5", ["world_999999"])
    return tmp_path / "few.h5"


@pytest.fixture
def empty(lab, tmp_path):
    """A manifest of GQA whose files hold no question."""
    (tmp_path / "empty.json").write_text("{}")
    splits = {split: {"files": {"questions": "empty.json"}} for split in ("train", "val")}
    (tmp_path / "empty.yaml").write_text(yaml.safe_dump({"name": "empty", "format": "gqa", "splits": splits}))
    return tmp_path / "empty.yaml"


def test_images_without_features_are_named(lab, few):
    lines = found(lab, f"features.files=[{few}]")
    assert len(lines) == 4 + 3 + 4
    assert lines[0].startswith("vqa, split train: ") and "none of its 24 images has" in lines[0]


def test_an_empty_split_is_named(lab, empty):
    lines = found(lab, f"tasks.gqa.data={empty}")
    assert len(lines) == 2
    assert lines[0].startswith("empty, split train") and "the files have no row" in lines[0]
    assert lines[1].startswith("empty, split val") and "the files have no row" in lines[1]


def test_a_fault_that_several_tasks_meet_is_told_once(lab):
    lines = found(lab, "tasks.vqa.data=/nowhere.yaml", "tasks.gqa.data=/nowhere.yaml")
    assert lines == ["/nowhere.yaml: no such file; a manifest must exist"]
    shared = found(
        lab, "tasks.vqa.root=/nowhere", 'tasks.okvqa={"data": "%s", "root": "/nowhere"}' % (lab.folder / "vqa.yaml")
    )
    assert len(shared) == len(set(shared)) == 2 * 3


def test_without_features_the_rest_is_checked_and_what_is_not_is_said(lab):
    told = []
    lines = list(problems(lab.config("features.files=[]"), told.append))
    assert [line.split(";")[0] for line in lines] == ["features.files is empty and no manifest names a feature file"]
    unseen = "; its images were not checked, because there are no features"
    assert f"caption: split train has 24 rows, 120 examples{unseen}" in told
    assert f"gqa: split test has 30 rows{unseen}" in told


def test_truth_that_can_not_be_scored_is_named(lab, monkeypatch):
    monkeypatch.setenv("VLHYPER_JAVA", "/nowhere/java")
    (line,) = found(lab)
    assert line.startswith("validation of caption, split val: ") and "VLHYPER_JAVA" in line
    assert list(problems(lab.config("validation.every=0"), lambda text: None)) == []


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("features.width=2048", "width is 6 but the run expects 2048"),
        ("features.tokens=49", "tokens is 4 but the run expects 49"),
        ("features.encoder=RN50", "encoder is 'RN101' but the run expects 'RN50'"),
        ("features.weights_sha256=cdcd", "weights_sha256 is 'abab"),
        ("features.files=[]", "features.files is empty"),
        ("features.files=[none.h5]", "none.h5"),
        ("model.backbone=none", "tokenizer 'none' cannot be loaded"),
        ("tasks.vqa.train=trian", "unknown split 'trian'; did you mean 'train'?"),
        ("tasks.vqa.validation=dev", "unknown split 'dev'"),
        ("tasks.vqa.root=/nowhere", "/nowhere/annotations/vqa_train_questions.json is missing"),
        ("tasks.vqa.data=none.yaml", "none.yaml: no such file"),
    ],
)
def test_a_fault_is_named_by_check_and_by_train(lab, tmp_path, override, told):
    # None of them concerns the validation of captions, which starts a program.
    override = (override, "tasks.caption.validation=null")
    lines = found(lab, *override)
    assert any(told in line for line in lines)
    # Without validation that a run does not do.
    with pytest.raises(UserError) as refusal:
        train(lab.run(*override, "validation.every=3"), tmp_path / "run")
    assert told in str(refusal.value)
    assert {path.name for path in tmp_path.glob("run/*")} <= {"config.yaml", "inputs.json", ".lock"}


def test_a_task_that_can_not_be_trained_on_its_data_is_named(lab):
    lines = found(lab, "tasks.gqa.task=snli-ve")
    assert lines and "task snli-ve reads hypothesis, but its data has no hypothesis" in lines[0]


def test_the_command_says_all_faults_on_standard_error_and_fails(lab, few, empty, capsys):
    code = None
    with pytest.raises(UserError, match="unknown task 'vqq'"):
        run(["check", str(lab.path), "tasks.vqq.data=vqa.yaml"])
    code = run(["check", str(lab.path), f"features.files=[{few}]", f"tasks.gqa.data={empty}"])
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("vlhyper: ")]
    assert code == 2
    assert len(lines) == 7 and "nothing is missing" not in said.out


def test_the_command_says_that_all_is_there(lab, capsys):
    assert run(["check", str(lab.path)]) in (None, 0)
    assert capsys.readouterr().out.splitlines()[-1] == "nothing is missing"


def test_rows_without_answers_can_not_be_trained_on(lab, tmp_path):
    questions = json.loads((lab.folder / "annotations/vqa_train_questions.json").read_text())
    (tmp_path / "q.json").write_text(json.dumps(questions))
    manifest = {"name": "blank", "format": "vqa", "image_key": "world_{id:06d}"}
    manifest["splits"] = {"train": {"files": {"questions": str(tmp_path / "q.json")}}}
    values = {**RUN, "tasks": {"vqa": {"data": manifest, "validation": None}}}
    values["features"] = {"files": [str(lab.folder / "features.h5")]}
    values["model"] = {**RUN["model"], "backbone": str(lab.folder / "t5")}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    lines = list(problems(load_config(tmp_path / "run.yaml"), lambda text: None))
    assert lines == ["vqa: no row of this split has an answer, so nothing can be trained on it"]


def test_checking_needs_no_torch(lab):
    done = call("check", lab.path, launcher=("-c", barred("torch")))
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "nothing is missing"
