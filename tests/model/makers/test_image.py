"""Image tokens against VL-T5's visual embedding, built of torch's own modules."""

from __future__ import annotations

import cases
import pytest
import torch
from torch import nn

from vlhyper.model.makers.maker import Conditions
from vlhyper.model.sites import Site


@pytest.fixture
def model():
    return cases.model("clip_t5")


def tokens(model, grid, pictured=None):
    (form,) = model.makers["image"](Conditions(torch.tensor(0), grid, pictured, model.t5.shared.weight))[
        Site("input", 0)
    ]
    return form


def linear(maker, name, channels, width):
    module = nn.Linear(channels, width)
    module.weight.data.copy_(getattr(maker, name).weight.T)
    module.bias.data.copy_(getattr(maker, name).bias)
    norm = nn.RMSNorm(width, eps=1e-6)
    norm.weight.data.copy_(getattr(maker, name).norm)
    return nn.Sequential(module, norm)


def test_tokens_are_vl_t5s_visual_embedding(model):
    maker, grid = model.makers["image"], torch.randn(3, cases.CELLS, cases.CHANNELS)
    feature, position = linear(maker, "feature", cases.CHANNELS, 16), linear(maker, "position", 5, 16)
    # As VL-T5 counts objects: from the last word of the vocabulary backwards.
    words = model.t5.shared(len(model.t5.shared.weight) - torch.arange(cases.CELLS) - 1)
    expected = feature(grid) + position(torch.zeros(3, cases.CELLS, 5)) + maker.order[0] + words
    form = tokens(model, grid)
    assert torch.allclose(form.embeds, expected, atol=1e-5)
    assert not form.front
    assert not form.biased
    assert form.present is None


def test_half_precision_features_are_read_as_they_are(model):
    grid = torch.randn(3, cases.CELLS, cases.CHANNELS).half()
    assert torch.equal(tokens(model, grid).embeds, tokens(model, grid.float()).embeds)


def test_the_statistics_of_image_features_are_not_used(model):
    grid = torch.randn(3, cases.CELLS, cases.CHANNELS)
    before = tokens(model, grid).embeds
    model.standardise(torch.ones(cases.CHANNELS), torch.tensor(3.0))
    assert torch.equal(tokens(model, grid).embeds, before)
