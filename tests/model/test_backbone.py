"""The T5 under a model, loaded from a folder."""

from __future__ import annotations

import cases
import pytest
import torch

from vlhyper.errors import UserError
from vlhyper.model.backbone import build_backbone


@pytest.fixture(params=["original", "gated_untied"])
def backbone(request, tmp_path):
    folder = tmp_path / "t5"
    build_backbone(cases.spec(backbone=request.param).backbone).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("backbone", ["original"], indirect=True)
def test_a_torn_backbone_is_refused_in_one_line(backbone):
    weights = backbone / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors: damaged or incomplete") as refusal:
        build_backbone(str(backbone))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("backbone", ["original"], indirect=True)
def test_a_folder_without_weights_is_refused_in_one_line(backbone):
    (backbone / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"the folder lacks model\.safetensors") as refusal:
        build_backbone(str(backbone))
    assert "\n" not in str(refusal.value)


def test_a_backbone_folder_gives_back_its_own_head(backbone):
    first, second = build_backbone(str(backbone)), build_backbone(str(backbone))
    gated = first.config.is_gated_act
    assert (first.lm_head.weight is first.shared.weight) == (not gated)
    assert first.config.scale_decoder_outputs == (not gated)
    assert torch.equal(first.lm_head.weight, second.lm_head.weight)
    assert not any(parameter.requires_grad for parameter in first.parameters())
