"""Two processes, started as a user starts them, train and answer as one does."""

import json
from pathlib import Path

import pytest
from run_cases import call, evaluated, losses, text_task
from safetensors.torch import load_file
from torch.testing import assert_close

from vlhyper.errors import UserError
from vlhyper.files import read_json
from vlhyper.model.model import WEIGHTS
from vlhyper.run.train import train
from vlhyper.world import tiny

pytestmark = pytest.mark.usefixtures("fresh_process")

ACCELERATE = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1")
# Sums in another order differ in the last digits, and AdamW's first steps are as large for small gradients as for
# large ones.
CLOSE = {"rtol": 1e-3, "atol": 2e-4}


@pytest.fixture(scope="module")
def changes(tmp_path_factory) -> tuple[str, ...]:
    training = ("training.steps=12", "training.accumulation=2", "training.learning_rate=3e-3")
    common = (f"model.backbone={tiny() / 't5'}", *training, "validation.every=12", "validation.sample=3")
    return (*common, text_task(tmp_path_factory.mktemp("text")))


@pytest.fixture
def alone(lab, changes, tmp_path) -> Path:
    """The run of one process."""
    train(lab.run(*changes), tmp_path / "alone")
    return tmp_path / "alone"


def same(one: Path, other: Path) -> None:
    first, second = losses(one), losses(other)
    assert second == {step: pytest.approx(line, rel=1e-4) for step, line in first.items()}
    assert_close(load_file(one / WEIGHTS), load_file(other / WEIGHTS), **CLOSE)


def test_accelerate_trains_images_and_text_and_gives_the_answers_of_one_process(lab, changes, alone, tmp_path):
    """The tasks without images are among them, whose rows leave some weights without a gradient in one process."""
    both = tmp_path / "both"
    commands = [["train", str(lab.path), *changes, "--out", str(both)]]
    commands += [["evaluate", str(both), "--split", "unseen", "--task", task] for task in ("vqa", "gqa")]
    script = str(Path(__file__).parents[1] / "run_cases.py")
    done = call(json.dumps(commands), launcher=(*ACCELERATE, script))
    assert done.code == 0, done.err
    assert {"sst2", "vqa"} <= {task for line in losses(alone).values() for task in line}
    same(alone, both)
    written = {task: read_json(both / f"predictions/{task}.unseen.json") for task in ("vqa", "gqa")}
    scores = read_json(both / "scores.json")["unseen"]
    # One table, from the main process.
    assert done.out.count("overall") == done.out.count("accuracy") == 1
    for task, records in written.items():
        report = evaluated(both, "unseen", task)[task]
        assert read_json(both / f"predictions/{task}.unseen.json") == records
        assert scores[task]["metrics"] == report.metrics


def test_a_batch_that_two_processes_can_not_share_is_refused_before_anything_is_written(lab, tmp_path, monkeypatch):
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 2)
    with pytest.raises(
        UserError, match=r"^training.batch 9 cannot be divided among 2 processes × 1 micro-batches; choose"
    ):
        train(lab.run("training.batch=9"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
