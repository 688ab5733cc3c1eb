"""Trackers: what they are told, once, and that a resumed run goes on with the run they know.

trackio and wandb are not installed for the tests; `service` stands for either and takes what both take.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError
from types import ModuleType, SimpleNamespace

import pytest
from accelerate import Accelerator, tracking
from accelerate.utils import LoggerType
from run_cases import forget_accelerate

from vlhyper.errors import JobError, UserError
from vlhyper.files import read_json
from vlhyper.run.available import require_tracker
from vlhyper.run.check import problems
from vlhyper.run.checkpoints import Progress
from vlhyper.run.log import Log
from vlhyper.run.train import train

pytestmark = pytest.mark.usefixtures("fresh_process")


@pytest.fixture(params=["trackio", "wandb"])
def service(request, monkeypatch):
    """A service that keeps what it is told: `runs` by identity, `started` with the options of each start."""
    told = SimpleNamespace(name=request.param, started=[], runs={}, finished=0)

    def init(project, *, name, resume, config, id=None, dir=None):
        told.started.append({"project": project, "name": name, "resume": resume, "config": config, "dir": dir})
        points = told.runs.setdefault((project, id or name), [])

        def finish():
            told.finished += 1

        return SimpleNamespace(log=lambda values, step: points.append((step, values)), finish=finish)

    module = ModuleType(request.param)
    module.init = init
    monkeypatch.setitem(sys.modules, request.param, module)
    monkeypatch.setattr(tracking, "_available_trackers", [LoggerType(request.param)])
    monkeypatch.setattr("vlhyper.run.available.metadata.version", lambda _: "1.0")
    return told


def log_of(lab, folder, tracker: str, step: int = 0, validated: bool = True) -> Log:
    """The log as a run opens it whose last checkpoint is of `step`."""
    forget_accelerate()
    config = lab.config(f"training.tracker={tracker}", "training.project=mine")
    folder.mkdir(exist_ok=True)
    return Log(
        folder,
        Accelerator(cpu=True, log_with=None if tracker == "none" else tracker),
        Progress(step=step, validated=validated),
        config,
        lambda step: [],
    )


def steps(log: Log, first: int, last: int) -> None:
    for step in range(first, last + 1):
        log.write(step, {"loss": {"vqa": float(step)}, "learning_rate": 0.5})
        if step % 2 == 0:
            log.write(step, {"validation": {"mean": 10.0 * step}})


def shown(first: int, last: int) -> list[tuple[int, dict[str, float]]]:
    found = []
    for step in range(first, last + 1):
        found.append((step, {"loss/vqa": float(step), "learning_rate": 0.5}))
        found += [(step, {"validation/mean": 10.0 * step})] if step % 2 == 0 else []
    return found


def test_a_resumed_run_is_one_run_of_its_tracker_and_no_step_is_sent_twice(lab, tmp_path, service):
    folder = tmp_path / "my_run"
    steps(log_of(lab, folder, service.name), 1, 5)
    # Killed after step 5 with a checkpoint of step 2, then of step 4 that was not validated yet.
    steps(log_of(lab, folder, service.name, step=2), 3, 5)
    again = log_of(lab, folder, service.name, step=4, validated=False)
    again.write(4, {"validation": {"mean": 40.0}})
    steps(again, 5, 7)
    [((project, identity), points)] = service.runs.items()
    assert points == shown(1, 7)
    assert project == "mine" and identity.endswith(read_json(folder / "tracker.json")[service.name])
    assert [start["resume"] for start in service.started] == ["allow"] * 3
    first = service.started[0]
    assert first["name"].startswith("my_run") and first["config"]["training"]["batch"] == 8
    # All that wandb writes stays in the run folder.
    assert first["dir"] == (str(folder) if service.name == "wandb" else None)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [step for step, _ in points]


def test_a_run_that_begins_anew_is_another_run(lab, tmp_path, service):
    steps(log_of(lab, tmp_path / "run", service.name), 1, 1)
    steps(log_of(lab, tmp_path / "run", service.name), 1, 1)
    steps(log_of(lab, tmp_path / "other", service.name), 1, 1)
    assert list(service.runs.values()) == [shown(1, 1)] * 3


def test_a_tracker_that_comes_later_is_told_what_went_before(lab, tmp_path, service):
    steps(log_of(lab, tmp_path / "run", "none"), 1, 4)
    steps(log_of(lab, tmp_path / "run", service.name, step=4), 5, 6)
    assert list(service.runs.values()) == [shown(1, 6)]


def test_training_tells_its_tracker(lab, tmp_path, service):
    train(lab.run("training.steps=2", f"training.tracker={service.name}"), tmp_path / "run")
    [points] = service.runs.values()
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [(step, values["learning_rate"]) for step, values in points] == [(1, 1e-3), (2, 1e-3)]
    assert [values["seconds_per_step"] for _, values in points] == [line["seconds_per_step"] for line in lines]
    assert service.finished == 1 and not (tmp_path / "run/tensorboard").exists()


@pytest.mark.parametrize("service", ["wandb"], indirect=True)
def test_a_tracker_that_cannot_start_is_one_line(lab, tmp_path, service, monkeypatch):
    def refuse(**_):
        raise RuntimeError("no\nkey")

    monkeypatch.setattr(sys.modules[service.name], "init", refuse)
    with pytest.raises(JobError, match=r"^wandb cannot start \(no key\); set WANDB_MODE=offline, or choose another"):
        log_of(lab, tmp_path / "run", service.name)
    assert not (tmp_path / "run/tracker.json").exists()


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_tracker_that_is_not_installed_is_told_before_the_work(lab, tmp_path, monkeypatch, name):
    def version(_):
        raise PackageNotFoundError

    monkeypatch.setattr("vlhyper.run.available.metadata.version", version)
    told = f"training.tracker: {name} is not installed; install it with: pip install {name}"
    assert told in list(problems(lab.config(f"training.tracker={name}"), lambda _: None))
    with pytest.raises(UserError, match=f"^{told}$"):
        train(lab.run(f"training.tracker={name}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    require_tracker("none")
