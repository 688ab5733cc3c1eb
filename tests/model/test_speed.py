"""What a step costs a GPU beside arithmetic: the host never waits, nothing frozen is cast twice."""

from __future__ import annotations

import cases
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vlhyper.model.methods import METHODS

WAITING = ("_local_scalar_dense", "is_nonzero", "nonzero", "all", "equal")


class Seen(TorchDispatchMode):
    """The operations within it, the indices they were given, and what they made."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.indices: list[torch.Tensor] = []
        self.made: list[torch.Tensor] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(function.overloadpacket.__name__)
        if self.names[-1] == "index":
            self.indices += args[1]
        made = function(*args, **(kwargs or {}))
        self.made += [made] if isinstance(made, torch.Tensor) else []
        return made


def storages(tensors) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


@pytest.mark.parametrize("padding", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_the_host_never_waits_for_the_device_in_a_step(method, padding):
    model, batch = cases.model(method), cases.batch(method)
    if not padding:
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    with Seen() as seen:
        model(**batch).backward()
    assert len(seen.names) > 100
    assert not set(WAITING) & set(seen.names)
    # A list as an index is copied to the device before any operation is seen.
    assert storages(seen.indices) <= storages([*model.buffers(), *batch.values(), *seen.made])


@pytest.mark.parametrize("backbone", ["original", "gated_untied"])
def test_frozen_matrices_cast_once_give_the_loss_and_gradients_of_those_cast_at_every_use(backbone):
    model, batch = cases.model(backbone=backbone), cases.batch()
    digest = cases.model(backbone=backbone).backbone_sha256

    def step():
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch)
        return loss, cases.gradients(model, loss)

    loss, gradients = step()
    model.compute_in(torch.bfloat16)
    again, its_gradients = step()
    assert torch.equal(again, loss)
    assert all(torch.equal(its_gradients[name], value) for name, value in gradients.items())
    assert model.backbone_sha256 == digest
    assert model.t5.lm_head.weight.dtype == torch.bfloat16 and model.t5.shared.weight.dtype == torch.float32
    assert {weight.dtype for _, weight in model.trained()} == {torch.float32}


def test_fp16_is_near_fp32_and_large_outputs_of_feed_forwards_do_not_overflow():
    model, batch = cases.model(), cases.batch()
    whole = model(**batch)
    model.compute_in(torch.float16)
    with torch.autocast("cpu", torch.float16):
        assert model(**batch).item() == pytest.approx(whole.item(), rel=2e-3)
        last = model.t5.encoder.block[0].layer[1].DenseReluDense.wo
        assert last(torch.full((1, 24), 1e5)).abs().max() > 65504
