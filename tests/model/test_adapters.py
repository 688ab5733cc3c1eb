"""Adapters whose weights exist against those whose weights are made where they are used."""

from __future__ import annotations

import pytest
import torch

from vlhyper.model.adapters import ADDED
from vlhyper.model.forms import Bottleneck, LatentBottleneck

ROWS, POSITIONS, WIDTH, HIDDEN, HYPER = 4, 3, 6, 2, 5


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def inputs(own):
    """x, y and what `own` sets of adapter weights are made from."""
    torch.manual_seed(1)
    rows = (ROWS, POSITIONS, WIDTH)
    return drawn(*rows), drawn(*rows), drawn(own, HYPER), drawn(HYPER, HIDDEN * WIDTH), drawn(HYPER, WIDTH * HIDDEN)


def kept(latent, down, up, scale):
    return Bottleneck((latent @ down).view(-1, HIDDEN, WIDTH), (latent @ up).view(-1, WIDTH, HIDDEN), scale)


@pytest.mark.parametrize("own", [1, 2, 4])
def test_both_forms_equal_the_formula_row_by_row(own):
    x, y, latent, down, up = inputs(own)
    scale = torch.tensor(0.7, dtype=torch.float64)
    made = kept(latent, down, up, scale)
    expected = torch.stack(
        [y[b] + 0.7 * (x[b] @ made.down[b * own // ROWS].T).relu() @ made.up[b * own // ROWS].T for b in range(ROWS)]
    )
    assert torch.allclose(ADDED[type(made)](made, x, y), expected)
    assert torch.allclose(ADDED[LatentBottleneck](LatentBottleneck(latent, down, up, scale), x, y), expected)


@pytest.mark.parametrize("own", [1, 2, 4])
def test_recomputed_weights_have_the_gradients_of_those_kept(own):
    x, y, latent, down, up = inputs(own)
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    given, towards = (x, y, latent, down, up, scale), torch.randn(ROWS, POSITIONS, WIDTH, dtype=torch.float64)
    losses = [
        (ADDED[type(form)](form, x, y) * towards).sum()
        for form in (LatentBottleneck(latent, down, up, scale), kept(latent, down, up, scale))
    ]
    for mine, expected in zip(*(torch.autograd.grad(loss, given) for loss in losses), strict=True):
        assert expected.abs().max() > 0
        assert torch.allclose(mine, expected)
    assert torch.autograd.gradcheck(
        lambda x, y, *made: ADDED[LatentBottleneck](LatentBottleneck(*made), x, y), (x, y, latent, down, up, scale)
    )
