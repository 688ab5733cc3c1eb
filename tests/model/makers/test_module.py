"""A maker's description made parameters and buffers."""

from __future__ import annotations

import pytest
import torch

from vlhyper.model.makers import Maker
from vlhyper.model.makers.maker import Fill, Normal, Weight
from vlhyper.model.makers.module import MakerModule


class Toy(Maker):
    forms = ()

    def weights(self):
        return {
            "wide": Weight((400, 500), Normal(0.5), "a"),
            "inner.deep.keys": Weight((400, 500), Normal(2.0, of="key"), "b"),
            "inner.values": Weight((400, 500), Normal(of="value"), "b"),
            "inner.ones": Weight((3,), Fill(1.0), "c"),
        }

    def buffers(self):
        return {"mean": Weight((3,), Fill(0.0), ""), "inner.deviation": Weight((), Fill(1.0), "")}

    def make(self, tensors, conditions):
        return {}


@pytest.fixture
def module():
    torch.manual_seed(0)
    return MakerModule(Toy(None, (), None, None), {"key": 3.0, "value": 0.1})


def test_parameters_and_buffers_have_the_names_and_shapes_of_the_description(module):
    described = {name: weight.shape for name, weight in Toy(None, (), None, None).weights().items()}
    assert {name: tuple(weight.shape) for name, weight in module.named_parameters()} == described
    assert {name: tuple(value.shape) for name, value in module.named_buffers()} == {"mean": (3,), "inner.deviation": ()}


def test_weights_start_as_described(module):
    deviations = {"wide": 0.5, "inner.deep.keys": 6.0, "inner.values": 0.1}
    for name, deviation in deviations.items():
        weight = module.get_parameter(name)
        assert weight.std().item() == pytest.approx(deviation, rel=0.01)
        assert weight.mean().abs() < 0.01 * deviation
    assert module.inner.ones.tolist() == [1.0] * 3


def test_statistics_are_kept_as_buffers(module):
    module.standardise(torch.tensor([1.0, 2.0, 3.0]), torch.tensor(4.0))
    assert module.mean.tolist() == [1.0, 2.0, 3.0]
    assert module.inner.deviation == 4.0
    assert not any(name in ("mean", "inner.deviation") for name, _ in module.named_parameters())
