"""Which starts of a run are the same run: moved files, more steps, settings that change no result; one writer."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil

import pytest
from run_cases import Lab, losses, write_features
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vlhyper.errors import JobError, UserError
from vlhyper.features import open_features
from vlhyper.files import read_json
from vlhyper.run.lock import locked
from vlhyper.run.log import Log
from vlhyper.run.tasks import resolve
from vlhyper.run.train import train

pytestmark = pytest.mark.usefixtures("fresh_process")


@pytest.fixture
def moved(lab, tmp_path) -> Lab:
    """The lab's files in another folder."""
    shutil.copytree(lab.folder, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("images"))
    return Lab(tmp_path / "elsewhere")


def test_files_that_were_moved_do_not_make_another_run(lab, moved, tmp_path):
    train(lab.run("training.steps=4"), tmp_path / "whole")
    train(lab.run("training.steps=2"), tmp_path / "run")
    train(moved.run("training.steps=4"), tmp_path / "run")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    assert str(moved.folder) in (tmp_path / "run/config.yaml").read_text()


def other_features(lab):
    ids = open_features(lab.folder / "features.h5").ids
    (lab.folder / "features.h5").unlink()
    write_features(lab.folder / "features.h5", list(reversed(ids)))


def other_backbone(lab):
    weights = load_file(lab.folder / "t5/model.safetensors")
    weights["shared.weight"] = weights["shared.weight"] * 1.5
    save_file(weights, lab.folder / "t5/model.safetensors", metadata={"format": "pt"})


def other_data(lab):
    path = lab.folder / "annotations/vqa_train_questions.json"
    content = read_json(path)
    content["questions"][0]["question"] += "?"
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("change", [other_features, other_backbone, other_data])
def test_moved_files_of_other_content_are_refused(lab, moved, tmp_path, change):
    train(lab.run("training.steps=1"), tmp_path / "run")
    change(moved)
    with pytest.raises(UserError, match="holds a run of another config: "):
        train(moved.run("training.steps=2"), tmp_path / "run")


def test_settings_that_change_no_result_do_not_make_another_run(lab, tmp_path):
    train(lab.run("training.steps=2"), tmp_path)
    train(
        lab.run("training.steps=3", "training.log_every=2", "training.checkpoint_every=2", "training.tracker=none"),
        tmp_path,
    )
    assert max(losses(tmp_path)) == 3


def test_more_steps_go_on_with_a_finished_run_as_if_it_had_been_longer(lab, tmp_path):
    # Captions are scored by a program, which would be started at each of nine validations.
    options = ("validation.every=2", "validation.sample=3", "tasks.caption.validation=null")
    train(lab.run("training.steps=6", *options), tmp_path / "whole")
    train(lab.run("training.steps=4", *options), tmp_path / "run")
    train(lab.run("training.steps=6", *options), tmp_path / "run")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    for name, value in load_file(tmp_path / "whole/checkpoints/step-000000006/model.safetensors").items():
        assert (value == load_file(tmp_path / "run/checkpoints/step-000000006/model.safetensors")[name]).all()


@pytest.mark.parametrize("steps", ["training.steps=3", "training.steps=9"])
def test_fewer_steps_or_more_after_a_decay_are_another_run(lab, tmp_path, steps):
    decay = () if steps.endswith("3") else ("training.decay=2",)
    train(lab.run("training.steps=6", *decay), tmp_path)
    with pytest.raises(UserError, match=r"another config: training\.steps: 6, now"):
        train(lab.run(steps, *decay), tmp_path)


def test_a_second_process_on_a_run_folder_is_refused_and_told_who_holds_it(lab, tmp_path):
    told = rf"^{tmp_path}: another process is writing this run \(process {os.getpid()} on .*\); wait for it, or stop it"
    with locked(tmp_path), pytest.raises(UserError, match=told):
        train(lab.run("training.steps=1"), tmp_path)
    assert not (tmp_path / "log.jsonl").exists()
    train(lab.run("training.steps=1"), tmp_path)
    assert read_json(tmp_path / "inputs.json").keys() == {"features", "backbone", "tokenizer", "tasks"}


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def fails(*_, **__):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("filelock.FileLock.acquire", fails)
    with locked(tmp_path / "run"):
        pass
    assert "has no locks" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("I/O error: No space left")])
def test_a_full_disk_is_one_line_and_loses_nothing(lab, tmp_path, monkeypatch, error):
    config = lab.config("training.steps=6", "training.checkpoint_every=2")
    train(resolve(config), tmp_path / "whole")

    def full(state, path):
        if "step-000000004" in str(path) and path.name.startswith("optimizer"):
            raise error
        save_file(state, path)

    with monkeypatch.context() as patch:
        patch.setattr("vlhyper.run.checkpoints.save_file", full)
        with pytest.raises(JobError, match=r"run: the disk is full \([\d,]+ MB free\); make room and start the same"):
            train(resolve(config), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["step-000000002"]
    train(resolve(config), tmp_path / "run")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_disk_that_is_too_small_is_found_before_the_first_step(lab, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(JobError, match=r"0 MB are free on this disk, the run needs"):
        train(lab.run("training.steps=1"), tmp_path / "run")
    assert not (tmp_path / "run/log.jsonl").exists()


def test_a_worker_that_was_killed_is_said_with_what_to_do(lab, tmp_path, monkeypatch):
    write = Log.write

    def kills(log, step, values):
        write(log, step, values)
        if step == 3:
            [worker] = multiprocessing.active_children()
            worker.kill()

    monkeypatch.setattr(Log, "write", kills)
    with pytest.raises(JobError, match=r"memory ran out; lower training.workers and start the same command"):
        train(lab.run("training.steps=100000", "training.workers=1"), tmp_path)
    assert 3 in losses(tmp_path)


@pytest.mark.parametrize("line", ["{", "[1]", '{"step": "x"}', '{"loss": {}}', "[" * 100_000])
def test_a_damaged_log_is_one_line_that_names_it(lab, tmp_path, line):
    train(lab.run("training.steps=1"), tmp_path)
    (tmp_path / "log.jsonl").write_text(f'{{"step": 1}}\n{line}\n')
    with pytest.raises(UserError, match=r"log\.jsonl: line 2 is no line of a log; remove this line"):
        train(lab.run("training.steps=2"), tmp_path)
