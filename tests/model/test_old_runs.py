"""Tensors of earlier releases under today's names (whole old run folders: tests/run/test_old_runs.py)."""

from __future__ import annotations

import cases
import pytest
import torch

from vlhyper.errors import UserError
from vlhyper.model.makers.hyper import BLOCK_ROWS
from vlhyper.model.old_runs import upgraded

ROWS = {"vl_hyperpelt": range(5), "hyperpelt_prefix": range(3), "vl_hyperpelt_adapter": (3, 4)}


def old_state(model):
    """The state as the first release wrote it: one maker, a block table with a row for every block."""
    state = {name.replace("makers.hyper.", "maker."): value for name, value in model.state().items()}
    table = torch.full((len(BLOCK_ROWS), *state["maker.block"].shape[1:]), torch.nan)
    table[list(ROWS[model.spec.method])] = state["maker.block"]
    return {**state, "maker.block": table}


@pytest.mark.parametrize("method", ROWS)
def test_an_old_state_gives_the_loss_it_gave(method):
    model, fresh = cases.model(method), cases.model(method, seed=1)
    batch = cases.batch(method)
    assert not torch.equal(fresh(**batch), model(**batch))
    fresh.load_state(old_state(model), "an old run")
    assert torch.equal(fresh(**batch), model(**batch))


def test_todays_state_is_left_alone():
    state = cases.model().state()
    assert upgraded(state, "vl_hyperpelt") is state


@pytest.mark.parametrize("method", ["hyperpelt_prefix", "vl_hyperpelt_adapter"])
def test_moments_of_the_optimiser_follow_their_weights(method):
    state = {"maker.block.exp_avg": torch.arange(5.0)[:, None, None], "maker.block.step": torch.tensor(3.0)}
    found = upgraded({**state, "t5.shared.weight.step": torch.tensor(3.0)}, method)
    assert found["makers.hyper.block.exp_avg"].flatten().tolist() == list(ROWS[method])
    assert found["makers.hyper.block.step"] == 3.0
    assert "t5.shared.weight.step" in found


def test_a_state_of_another_method_is_refused():
    state = old_state(cases.model("hyperpelt_prefix"))
    with pytest.raises(UserError, match=r"old\.safetensors: does not fit this model"):
        cases.model("vl_hyperpelt").load_state(state, "old.safetensors")
