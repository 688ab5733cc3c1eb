"""One model for tasks with and without images, and models that do without images: trained, resumed, evaluated."""

from __future__ import annotations

import json

import pytest
import torch
from run_cases import evaluated, losses, text_task

from vlhyper.files import read_json
from vlhyper.model.model import VLHyperPELT
from vlhyper.run.batches import Collator
from vlhyper.run.check import problems
from vlhyper.run.config import load_config
from vlhyper.run.rows import find_features, load_split
from vlhyper.run.tasks import resolve
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.run.train import train
from vlhyper.world import tiny

pytestmark = pytest.mark.usefixtures("fresh_process")

STEPS = ("training.steps=16", "training.learning_rate=3e-3", f"model.backbone={tiny() / 't5'}")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    return text_task(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def mixed(lab, text, tmp_path_factory):
    """A run on images and text together."""
    run = tmp_path_factory.mktemp("mixed")
    from run_cases import forget_accelerate

    forget_accelerate()
    train(lab.run(*STEPS, text, "validation.every=8", "validation.sample=4"), run)
    forget_accelerate()
    return run


def test_both_kinds_of_tasks_are_trained_validated_and_evaluated(mixed):
    trained = {task for line in losses(mixed).values() for task in line}
    assert {"sst2", "vqa"} <= trained
    validated = [json.loads(line) for line in (mixed / "log.jsonl").read_text().splitlines() if "validation" in line]
    assert {"vqa.overall", "sst2.accuracy", "mean"} <= validated[-1]["validation"].keys()
    reports = evaluated(mixed, caption_metrics="cider")
    assert reports.keys() == {"vqa", "gqa", "caption", "sst2"}
    assert len(read_json(mixed / "predictions/sst2.test.json")) == 8


def test_a_batch_of_both_kinds_gives_each_row_what_it_gets_alone(mixed):
    run = resolve(load_config(mixed / "config.yaml"))
    features = find_features(run)
    rows = load_split(run, {"vqa": "test", "sst2": "test"}, features)
    collator = Collator(load_tokenizer(run.config.model), features, 8)
    model = VLHyperPELT.from_pretrained(mixed)
    prompts, images, tasks, grids = [], [], [], []
    for name in ("vqa", "sst2", "vqa", "sst2"):
        part = rows[name].rows[len(prompts) : len(prompts) + 1]
        prompts.append(rows[name].task.kind.prompt_of({key: value[0] for key, value in part.items()}))
        images.append(name == "vqa")
        tasks.append(rows[name].task.number)
        grids.append(collator.inputs(rows[name], prompts[-1:], part["image"]).get("grid", torch.full((1, 4, 6), 9.0)))
    encoded = collator.tokenizer(prompts, padding=True, return_tensors="pt")
    asked = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
    together = {**asked, "task": torch.tensor(tasks), "grid": torch.cat(grids), "pictured": torch.tensor(images)}
    labels = collator.labels(["red", "positive", "blue", "negative"])
    answers = model.generate(**together, max_new_tokens=5)
    with torch.no_grad():
        whole = model(**together, labels=labels, denominator=1.0)
        alone = []
        for index in range(4):
            row = {key: value[index : index + 1] for key, value in asked.items()}
            row["task"] = torch.tensor(tasks[index])
            if images[index]:
                row["grid"] = grids[index]
            alone.append(model(**row, labels=labels[index : index + 1], denominator=1.0))
            said = model.generate(**row, max_new_tokens=5)[0]
            assert torch.equal(answers[index][: len(said)], said)
    torch.testing.assert_close(whole, sum(alone), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["hyperpelt", "full_finetuning", "prefix_tuning", "clip_t5"])
def test_every_kind_of_method_goes_the_whole_way(lab, method, tmp_path):
    options = ["embedding_width", "projector_width", "hyper_width", "bottleneck"] if method != "hyperpelt" else []
    values = lab.plain(method, options, tmp_path)
    told: list[str] = []
    assert list(problems(load_config(values, STEPS), told.append)) == []
    without = f"vqa: method {method} uses no images; the model answers from the text alone"
    assert (without in told) == (method != "clip_t5")
    train(resolve(load_config(values, [*STEPS, "training.steps=24"])), tmp_path / "run")
    seen = [value for line in losses(tmp_path / "run").values() for value in line.values()]
    assert sum(seen[-10:]) < 0.8 * sum(seen[:10])
    reports = evaluated(tmp_path / "run", caption_metrics="cider")
    assert reports.keys() == {"vqa", "gqa", "caption"}
