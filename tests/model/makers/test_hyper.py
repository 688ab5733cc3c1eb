"""The model at step 0 (docs/method.md section 3, start)."""

from __future__ import annotations

import cases
import pytest
import torch
from torch import nn

from benchmarks.plain_form import PlainWeights
from vlhyper.model.model import VLHyperPELT

WIDE = {"embedding_width": 64, "projector_width": 128, "hyper_width": 64, "bottleneck": 4}


@pytest.fixture(scope="module")
def start():
    """A model as built, wide enough for deviations to be what they are on average, and inputs as standardised."""
    torch.manual_seed(0)
    fields = {"vocab_size": 40, "d_model": 64, "d_kv": 16, "num_heads": 4, "d_ff": 64, "num_layers": 3}
    spec = cases.spec(**WIDE).model_copy(update={"backbone": fields})
    batch = cases.batch()
    batch["grid"] = torch.randn_like(batch["grid"])
    return VLHyperPELT.build(spec, cases.inputs()).eval(), batch


def ordinary(model, batch):
    """Outputs of every k and of every v matrix of T5, run without any forms at its sites."""
    seen = {"k": [], "v": []}
    hooks = [
        module.register_forward_hook(lambda _, __, out, kind=name[-1]: seen[kind].append(out))
        for name, module in model.t5.named_modules()
        if isinstance(module, nn.Linear) and name[-2:] in (".k", ".v")
    ]
    model.attachment.set({})
    model.t5(**cases.without_task(batch))
    for hook in hooks:
        hook.remove()
    return {kind: torch.cat([out.flatten() for out in outputs]).std() for kind, outputs in seen.items()}


@pytest.mark.parametrize("side", [0, 1], ids=["task", "visual"])
def test_prefixes_start_at_the_size_of_ordinary_keys_and_values(start, side):
    model, batch = start
    made = PlainWeights(model, len(batch["input_ids"]), batch["task"], batch["grid"])
    with torch.no_grad():
        own = ordinary(model, batch)
        keys = torch.stack([parts[side] for parts in made.keys.values()]).std() / own["k"]
        values = torch.stack([parts[side] for parts in made.values.values()]).std() / own["v"]
    # Measured between 0.9 and 1.07: the estimate takes T5's normed states for independent numbers.
    assert 0.8 <= keys <= 1.25
    assert 0.8 <= values <= 1.25


def test_adapters_start_as_a_no_op(start):
    model, batch = start
    with torch.no_grad():
        before = model(**batch)
        for network in model.makers["hyper"].sides.children():
            network.scale.mul_(7)
        assert torch.equal(model(**batch), before)
        for network in model.makers["hyper"].sides.children():
            network.scale.div_(7)


def test_adapters_learn_from_the_first_step(start):
    model, batch = start
    gradients = cases.gradients(model, model(**batch))
    assert all(gradients[f"makers.hyper.sides.{side}.up"].abs().max() > 0 for side in ("task", "visual"))


def test_only_the_maker_and_the_layer_norms_are_trained(start):
    model, _ = start
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert all(name.startswith("t5.") and not name.endswith("layer_norm.weight") for name in frozen)
    assert {name for name, _ in model.trained()} | frozen == {name for name, _ in model.named_parameters()}
