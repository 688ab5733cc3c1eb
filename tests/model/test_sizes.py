"""Sizes and parameter names of a T5, against the T5 that transformers builds."""

from __future__ import annotations

import cases
import pytest
import torch
import transformers

from vlhyper.errors import UserError
from vlhyper.model.backbone import build_backbone
from vlhyper.model.families import FAMILIES, KNOWN, config_fields, size_of
from vlhyper.model.sizes import matching


def built_shapes(fields):
    with torch.device("meta"):
        t5 = build_backbone(fields)
    return {name: tuple(weight.shape) for name, weight in t5.named_parameters()}


@pytest.mark.parametrize("backbone", [*cases.BACKBONES, *cases.FAMILIES])
def test_shapes_equal_the_built_backbone(backbone):
    fields = cases.spec(backbone=backbone).backbone
    assert size_of(fields).shapes() == built_shapes(fields)


@pytest.mark.parametrize("name", sorted({size: name for name, size in KNOWN.items()}.values()))
def test_known_sizes_equal_the_built_backbone(name):
    size = KNOWN[name]
    shapes = built_shapes(size.fields())
    assert size.shapes() == shapes
    if size.family in ("t5", "mt5"):
        norms = matching(shapes, ["*norm*"])
        assert norms == matching(shapes, ["*layer_norm.weight"])
        assert len(norms) == 2 * size.encoder_layers + 3 * size.decoder_layers + 2


# t5-base as docs/method.md gives it; the others as transformers builds these sizes (test above).
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("t5-small", 60_506_624), ("t5-base", 222_903_552), ("t5-large", 737_668_096), ("t5-3b", 2_851_598_336)],
)
def test_sizes_of_published_backbones(name, parameters):
    assert KNOWN[name].parameters() == KNOWN[f"google-t5/{name}"].parameters() == parameters


# Totals that others publish: keras-hub's presets of T5Gemma, the model cards of BART and mT5.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("facebook/bart-base", 139_420_416),
        ("facebook/bart-large", 406_291_456),
        ("google/mt5-small", 300_176_768),
        ("google/t5gemma-s-s-ul2", 312_517_632),
        ("google/t5gemma-b-b-prefixlm-it", 591_490_560),
    ],
)
def test_sizes_of_other_families(name, parameters):
    assert KNOWN[name].parameters() == parameters


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"model_type": ["t5"]}, r"model_type is \['t5'\]; vlhyper needs one of"),
        ({"model_type": "bart", "d_model": 24}, "d_model is 24, not a multiple of encoder_attention_heads, 16"),
        ({"model_type": "bart", "vocab_size": 2}, "eos_token_id is 2, the vocabulary has 2 tokens"),
        ({"model_type": "t5gemma", "encoder": 3}, "encoder: input should be a valid dictionary"),
        ({"model_type": "t5gemma", "decoder": {"head_dim": 7}}, "decoder: head_dim must be even"),
        ({"model_type": "t5gemma", "decoder": {"layer_types": ["full_attention"]}}, "has 1 entries for 26 layers"),
        ({"model_type": "t5gemma2", "decoder": {"pad_token_id": 300_000}}, "beyond the vocabulary of 262208 tokens"),
        (
            {"model_type": "t5gemma2", "decoder": {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}},
            "decoder.rope_parameters.full_attention.rope_type: input should be 'default' or 'linear'",
        ),
        ({"model_type": "bart", "d_modl": 16}, "BartConfig has no field 'd_modl'; did you mean 'd_model'"),
        ({"model_type": "t5gemma", "decoder": {"hidden_sise": 8}}, "did you mean 'decoder.hidden_size'"),
        ({"model_type": "led"}, "model_type is 'led'; vlhyper needs one of t5, mt5, bart, t5gemma, t5gemma2"),
        ({"model_type": "t5gemma", "encoder": {"hidden_size": 8}}, "hidden_size is 8 in the encoder and 2304 in the"),
        ("t5-bse", "did you mean 't5-base'"),
        ({"d_modl": 16}, "no field 'd_modl'; did you mean 'd_model'"),
    ],
)
def test_an_unknown_backbone_is_refused_with_the_nearest_name(backbone, message):
    with pytest.raises(UserError, match=message):
        size_of(backbone)


def test_patterns_choose_names_in_the_order_of_the_backbone():
    names = ["shared.weight", "encoder.q.weight", "encoder.layer_norm.weight", "decoder.layer_norm.weight"]
    assert matching(names, ["*layer_norm.weight", "*.q.*"]) == names[1:]
    assert matching(names, ["*"]) == names
    assert matching(names, []) == []


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest_name():
    names = ["shared.weight", "encoder.layer_norm.weight"]
    with pytest.raises(UserError, match=r"'\*layer_nrm.weight'.*nearest name is 'encoder.layer_norm.weight'"):
        matching(names, ["*", "*layer_nrm.weight"])


@pytest.mark.parametrize("family", FAMILIES)
def test_fields_that_are_left_out_have_the_defaults_of_transformers(family):
    theirs = getattr(transformers, FAMILIES[family].config)()
    ours = type(theirs)(**config_fields({"model_type": family}, "it").config())
    # T5Config has no token to start with; T5Gemma 2's image encoder is not used.
    left_out = ("decoder_start_token_id", "vision_config")
    assert cases.settings(ours.to_dict(), *left_out) == cases.settings(theirs.to_dict(), *left_out)


def test_configs_of_earlier_releases_and_a_cap_of_null_are_read_as_they_are_meant():
    stack = {"rope_theta": 1234.0, "final_logit_softcapping": None}
    fields = config_fields({"model_type": "t5gemma", "encoder": stack, "decoder": stack}, "it")
    config = transformers.T5GemmaConfig(**fields.config())
    assert config.decoder.rope_parameters["rope_theta"] == 1234.0
    assert (config.decoder.final_logit_softcapping, config.decoder.attn_logit_softcapping) == (None, 50.0)
