"""A trained model's files: what is written, what comes back, what is refused."""

from __future__ import annotations

import json

import cases
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlhyper.errors import UserError
from vlhyper.model.backbone import build_backbone
from vlhyper.model.model import CONFIG, WEIGHTS, VLHyperPELT
from vlhyper.model.saved import CARD
from vlhyper.model.spec import ModelSpec


@pytest.fixture(params=["original", "gated_untied"])
def backbone(request, tmp_path):
    """A backbone as a folder: published weights are the same whenever they are loaded."""
    folder = tmp_path / "t5"
    build_backbone(cases.spec(backbone=request.param).backbone).save_pretrained(folder)
    return folder


@pytest.fixture
def model(backbone):
    built = VLHyperPELT.build(ModelSpec(**{**cases.spec().model_dump(), "backbone": str(backbone)}), cases.inputs())
    with torch.no_grad():
        for _, weight in built.trained():
            weight += torch.randn_like(weight) * 0.1
    built.standardise(torch.randn(cases.CHANNELS), torch.tensor(2.5))
    return built.eval()


@pytest.fixture
def run(model, tmp_path):
    model.save_pretrained(tmp_path / "run")
    return tmp_path / "run"


def test_only_what_was_trained_is_written(model, run):
    saved = load_file(run / WEIGHTS)
    statistics = {"makers.hyper.sources.visual.mean", "makers.hyper.sources.visual.deviation"}
    assert set(saved) == {name for name, _ in model.trained()} | statistics
    assert sum(value.numel() for value in saved.values()) < sum(p.numel() for p in model.parameters())


def test_a_loaded_model_computes_the_same(model, run):
    loaded, batch = VLHyperPELT.from_pretrained(run), cases.batch()
    assert not loaded.training
    assert torch.equal(loaded(**batch), model(**batch))
    asked = cases.without_labels(batch)
    assert torch.equal(loaded.generate(**asked, max_new_tokens=5), model.generate(**asked, max_new_tokens=5))


def test_the_backbone_may_be_elsewhere(model, run, backbone):
    moved = backbone.rename(backbone.parent / "moved")
    batch = cases.batch()
    assert torch.equal(VLHyperPELT.from_pretrained(run, backbone=str(moved))(**batch), model(**batch))


def test_saved_twice_is_the_same_bytes(model, run, tmp_path):
    model.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (run / WEIGHTS).read_bytes()
    assert sorted(path.name for path in run.iterdir()) == sorted([CARD, CONFIG, WEIGHTS])


def odd_name(run):
    state = load_file(run / WEIGHTS)
    state["makers.hyper.extra"] = state.pop("makers.hyper.layer")
    save_file(state, run / WEIGHTS)


def odd_shape(run):
    state = load_file(run / WEIGHTS)
    state["makers.hyper.layer"] = state["makers.hyper.layer"][:1].clone()
    save_file(state, run / WEIGHTS)


def torn(run):
    (run / WEIGHTS).write_bytes((run / WEIGHTS).read_bytes()[:-100])


def emptied(run):
    (run / WEIGHTS).write_bytes(b"")


def missing(run):
    (run / WEIGHTS).unlink()


def torn_config(run):
    (run / CONFIG).write_text((run / CONFIG).read_text()[:-40])


def other_config(run):
    (run / CONFIG).write_text('{"peft_type": "LORA"}')


def odd_entry(run):
    config = json.loads((run / CONFIG).read_text())
    config["model"]["bottleneck"] = 0
    (run / CONFIG).write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (odd_name, f"{WEIGHTS}.*makers.hyper.extra, makers.hyper.layer"),
        (odd_shape, rf"{WEIGHTS}.*makers.hyper.layer is \(1, 7, 9\).*\(2, 7, 9\)"),
        (torn, f"{WEIGHTS}: damaged or incomplete safetensors file"),
        (emptied, f"{WEIGHTS}: damaged or incomplete safetensors file"),
        (missing, f"{WEIGHTS}: no such file"),
        (torn_config, f"{CONFIG}: not JSON"),
        (other_config, f"{CONFIG}: not the configuration"),
        (odd_entry, f"{CONFIG}: model: bottleneck: "),
    ],
)
@pytest.mark.parametrize("backbone", ["original"], indirect=True)
def test_a_damaged_run_is_refused_in_one_line(run, damage, message):
    damage(run)
    with pytest.raises(UserError, match=message) as refusal:
        VLHyperPELT.from_pretrained(run)
    assert "\n" not in str(refusal.value)


def test_an_unknown_task_is_named(model):
    assert [model.task_number(name) for name in cases.TASKS] == [0, 1, 2]
    with pytest.raises(UserError, match=r"'vizwiz'.*vqa, gqa, caption"):
        model.task_number("vizwiz")
