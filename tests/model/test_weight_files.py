"""Backbone folders that lack weights, or hold others, are refused; another T5 under an old name is found out."""

from __future__ import annotations

import json

import cases
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlhyper.errors import UserError
from vlhyper.model.backbone import build_backbone
from vlhyper.model.families import size_of
from vlhyper.model.model import CONFIG, VLHyperPELT
from vlhyper.model.spec import ModelSpec
from vlhyper.model.weight_files import faults


@pytest.fixture(params=["original", "gated_untied"])
def folder(request, tmp_path):
    build_backbone(cases.spec(backbone=request.param).backbone).save_pretrained(tmp_path / "t5")
    return tmp_path / "t5"


def changed(folder, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def missing(weights):
    del weights["encoder.block.1.layer.0.SelfAttention.k.weight"], weights["decoder.final_layer_norm.weight"]


def surplus(weights):
    weights["encoder.block.9.layer.0.SelfAttention.k.weight"] = torch.zeros(2, 2)


def odd(weights):
    weights["encoder.final_layer_norm.weight"] = torch.zeros(3)


def integers(weights):
    weights["encoder.final_layer_norm.weight"] = weights["encoder.final_layer_norm.weight"].to(torch.int64)


FAULTS = {
    missing: r"2 tensors are missing \(decoder.final_layer_norm.weight, encoder.block.1.layer.0.SelfAtt",
    surplus: r"1 tensors are not of this T5 \(encoder.block.9",
    odd: r"1 tensors have another shape than config.json says \(encoder.final_layer_norm.weight is \(3,\), not",
    integers: r"1 tensors are no floats \(encoder.final_layer_norm.weight is I64\); weights must be floats",
}


def test_a_whole_folder_has_no_fault(folder):
    assert list(faults(str(folder), size_of(str(folder)))) == []


@pytest.mark.parametrize("change", FAULTS)
def test_weights_that_do_not_fit_are_refused_and_named(folder, change):
    changed(folder, change)
    with pytest.raises(UserError, match=FAULTS[change]) as refusal:
        build_backbone(str(folder))
    assert "\n" not in str(refusal.value)


def test_an_index_without_its_map_is_named(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(UserError, match=r"index.json: has no 'weight_map'"):
        list(faults(str(folder), size_of(str(folder))))


def test_another_backbone_in_the_same_folder_is_refused(folder, tmp_path):
    spec = ModelSpec(**{**cases.spec().model_dump(), "backbone": str(folder)})
    VLHyperPELT.build(spec, cases.inputs()).save_pretrained(tmp_path / "run")
    VLHyperPELT.from_pretrained(tmp_path / "run")
    changed(folder, lambda weights: weights["shared.weight"].mul_(1.01))
    with pytest.raises(UserError, match=rf"{CONFIG}: trained on another backbone than .* holds now"):
        VLHyperPELT.from_pretrained(tmp_path / "run")
    # Runs of earlier releases do not say on what they were trained.
    config = json.loads((tmp_path / "run" / CONFIG).read_text())
    del config["backbone_sha256"]
    (tmp_path / "run" / CONFIG).write_text(json.dumps(config))
    VLHyperPELT.from_pretrained(tmp_path / "run")
