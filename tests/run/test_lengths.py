"""Prompts and answers that a run cuts are counted; labels that do not fit are refused."""

from __future__ import annotations

import json

import pytest

from vlhyper.errors import UserError
from vlhyper.run.check import problems
from vlhyper.run.tasks import resolve
from vlhyper.run.train import train
from vlhyper.run.validation import with_mean

pytestmark = pytest.mark.usefixtures("fresh_process")


@pytest.fixture
def text(lab, tmp_path):
    """Overrides for a run on BoolQ-like rows: two of five prompts are long."""
    rows = [{"q": "is it red", "p": "red " * (40 if n < 2 else 3), "l": n % 2} for n in range(5)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"question": "q", "context": "p", "label": "l"}
    splits = {"train": {"files": {"table": str(tmp_path / "t.jsonl")}}}
    data = {"name": "b", "format": "table", "fields": fields, "labels": {0: "False", 1: "True"}, "splits": splits}
    return [
        "tasks=" + json.dumps({"boolq": {"data": data, "validation": None}}),
        "model=" + json.dumps({"method": "hyperpelt", "backbone": str(lab.folder / "t5")}),
        "features={}",
    ]


def test_a_task_has_the_length_that_suits_it(lab, text):
    assert resolve(lab.config(*text)).tasks["boolq"].max_source_tokens == 512
    assert resolve(lab.config(*text, "training.max_source_tokens=30")).tasks["boolq"].max_source_tokens == 30
    own = resolve(lab.config(*text, "training.max_source_tokens=30", "tasks.boolq.max_source_tokens=40"))
    assert own.tasks["boolq"].max_source_tokens == 40
    assert lab.run().tasks["vqa"].max_source_tokens == 64


def test_cut_prompts_and_answers_are_counted(lab, text):
    told: list[str] = []
    assert list(problems(lab.config(*text), told.append)) == []
    assert not any("are cut" in line for line in told)
    told.clear()
    assert list(problems(lab.config(*text, "training.max_source_tokens=30"), told.append)) == []
    (line,) = [line for line in told if "are cut" in line]
    assert line.startswith("boolq: split train: 2 of 5 prompts are cut to 30 tokens (the longest has ")
    told.clear()
    list(problems(lab.config("training.max_target_tokens=6"), told.append))
    assert any(line.startswith("caption: split train: ") and "answers are cut to 6 tokens" in line for line in told)


LABELS = [
    ("training.max_target_tokens=1", "training.max_target_tokens is 1"),
    ("tasks.boolq.max_new_tokens=1", "tasks.boolq.max_new_tokens is 1"),
]


@pytest.mark.parametrize(("override", "named"), LABELS)
def test_a_label_that_does_not_fit_is_refused(lab, text, tmp_path, override, named):
    config = lab.config(*text, override)
    assert any(line.startswith("boolq: the label '") and named in line for line in problems(config, lambda _: None))
    with pytest.raises(UserError, match=r"boolq: the label '\w+' takes \d+ tokens, but "):
        train(resolve(config), tmp_path / "run")


def test_the_mean_is_over_all_metrics():
    assert with_mean({"mrpc.accuracy": 80.0, "mrpc.f1": 90.0, "cola.matthews": 10.0})["mean"] == 60.0
    assert with_mean({}) == {}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ACCELERATE_USE_FSDP", "true", "FSDP is not supported"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "DeepSpeed is not supported"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", "asks for 4 gradient accumulation steps, .* is 1"),
    ],
)
def test_what_a_launcher_asks_for_and_is_not_done_is_refused(lab, tmp_path, monkeypatch, name, value, told):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=told):
        train(lab.run("training.steps=1"), tmp_path / "run")
    assert not (tmp_path / "run/config.yaml").exists()
