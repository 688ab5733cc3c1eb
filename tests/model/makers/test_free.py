"""Prefixes of plain tables at step 0."""

from __future__ import annotations

import cases
import pytest
import torch

from vlhyper.model.backbone import key_value_deviations
from vlhyper.model.makers.maker import Conditions
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.sites import ATTENTION, sites


@pytest.fixture
def model():
    torch.manual_seed(0)
    return VLHyperPELT.build(cases.spec("prefix_tuning", prefix_length=50), cases.inputs("prefix_tuning"))


def test_prefixes_start_at_the_size_of_ordinary_keys_and_values(model):
    deviations = key_value_deviations(model.t5)
    for name in ("key", "value"):
        assert getattr(model.makers["free"], name).std().item() == pytest.approx(deviations[name], rel=0.02)


@pytest.mark.parametrize("task", [torch.tensor(1), torch.tensor([2, 0])], ids=["one_task", "mixed_tasks"])
def test_every_attention_has_the_tables_of_its_task(model, task):
    free = model.makers["free"]
    forms = free(Conditions(task, None, None, model.t5.shared.weight))
    expected = sites(free.maker.size, ATTENTION)
    assert list(forms) == expected
    for number, site in enumerate(expected):
        (prefix,) = forms[site]
        assert torch.equal(prefix.key, free.key[task.reshape(-1), number])
        assert torch.equal(prefix.value, free.value[task.reshape(-1), number])


def test_only_the_tables_are_trained(model):
    assert [name for name, _ in model.trained()] == ["makers.free.key", "makers.free.value"]
