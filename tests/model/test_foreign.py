"""Methods and makers from outside the package: counted, trained, saved, loaded and asked; every row of ours too."""

from __future__ import annotations

from itertools import cycle
from math import prod
from typing import NamedTuple

import cases
import pytest
import torch
from pydantic import Field
from safetensors import safe_open
from torch import Tensor

from benchmarks.plain_form import plain_loss
from vlhyper.model.adapters import ADDED
from vlhyper.model.families import FAMILIES
from vlhyper.model.forms import FORMS, Tokens
from vlhyper.model.makers import MAKERS, Maker
from vlhyper.model.makers.maker import Fill, Normal, Weight
from vlhyper.model.methods import METHODS, NORMS, Method, Part
from vlhyper.model.model import WEIGHTS, VLHyperPELT
from vlhyper.model.sites import ATTENTION, FEED_FORWARD, INPUT, STACKS, Site, sites
from vlhyper.model.sizes import Inputs
from vlhyper.model.spec import ModelSpec, count
from vlhyper.settings import Strict


class PromptOptions(Strict):
    prompt_length: int = Field(20, gt=0)


class PromptSettings(Strict):
    front: bool = True


class Prompt(Maker):
    """A table of tokens for every task, before or behind the text."""

    Options = PromptOptions
    Settings = PromptSettings
    forms = ("tokens",)

    def weights(self):
        shape = (len(self.inputs.tasks), self.options.prompt_length, self.size.d_model)
        return {"table": Weight(shape, Normal(), "prompts")}

    def make(self, tensors, conditions):
        chosen = tensors["table"][conditions.task.reshape(-1)]
        return {Site("input", 0): [Tokens(chosen, front=self.settings(self.parts[0]).front)]}


class Gain(NamedTuple):
    """A form of its own: factors on the output of a module."""

    weight: Tensor  # (R, D)


def gain(form, x, y):
    return (y.unflatten(0, (len(form.weight), -1)) * form.weight[:, None, None]).flatten(0, 1)


class Gains(Maker):
    """Factors for every task at every site of its blocks."""

    forms = ("gain",)

    def _sites(self):
        return sites(self.size, self.parts[0].blocks)

    def weights(self):
        return {"gain": Weight((len(self.inputs.tasks), len(self._sites()), self.size.d_model), Fill(1.0), "gains")}

    def make(self, tensors, conditions):
        chosen = tensors["gain"][conditions.task.reshape(-1)].unbind(1)
        return {site: [Gain(weight)] for site, weight in zip(self._sites(), chosen, strict=True)}


PROMPT = Part("prompt", "tokens", INPUT)
CROSSED = (
    Part("hyper", "prefix", ATTENTION, {"sides": ("visual",)}),
    Part("hyper", "bottleneck", FEED_FORWARD, {"sides": ("task",)}),
)
FOREIGN = {
    "foreign_prompts": Method("Prompt-tuning", (PROMPT,)),
    "crossed": Method("Prefixes from the image, adapters from the task", CROSSED, NORMS, "condition"),
    # A form of its own at a feed-forward, and at a block of its own: what leaves the decoder's self-attention.
    "gains": Method("Gains", (Part("gains", "gain", ("encoder_ff", "decoder_self_out")),)),
    # Several makers in one row, and two sets of weights of one maker.
    "all_together": Method(
        "Everything at once",
        (
            PROMPT,
            Part("prompt", "tokens", INPUT, {"front": False}, name="behind"),
            Part("image", "tokens", INPUT),
            Part("free", "prefix", ATTENTION),
            *CROSSED,
        ),
        ("*relative_attention_bias.weight", "*layer_norm.weight"),
        "tokens",
    ),
}
EVERY = [*METHODS, *FOREIGN]


@pytest.fixture(autouse=True)
def rows(monkeypatch):
    monkeypatch.setitem(MAKERS, "prompt", Prompt)
    monkeypatch.setitem(MAKERS, "gains", Gains)
    monkeypatch.setitem(FORMS, "gain", ("encoder_ff", "decoder_self_out"))
    monkeypatch.setitem(ADDED, Gain, gain)
    monkeypatch.setitem(STACKS, "decoder_self_out", "decoder")
    monkeypatch.setitem(FAMILIES["t5"].modules, "decoder_self_out", "layer.0.SelfAttention.o")
    for name, row in FOREIGN.items():
        monkeypatch.setitem(METHODS, name, row)


@pytest.mark.parametrize("backbone", cases.BACKBONES)
@pytest.mark.parametrize("method", FOREIGN)
def test_counts_equal_the_built_model(method, backbone):
    model = VLHyperPELT.build(cases.spec(method, backbone), cases.inputs(method))
    counts = count(model.spec, model.inputs)
    assert counts.trained == sum(weight.numel() for _, weight in model.trained())
    assert counts.total == sum(weight.numel() for weight in model.parameters())
    assert sum(counts.parts.values()) == counts.trained


def test_prompt_tuning_on_t5_base_is_as_large_as_its_table():
    spec = ModelSpec(method="foreign_prompts", prompt_length=49)
    assert count(spec, Inputs(tasks=("cola",))).trained == 37_632
    assert count(ModelSpec(method="foreign_prompts"), Inputs(tasks=("cola", "rte"))).trained == 2 * 20 * 768


def batch_for(method, task=None):
    """A batch with images for some of its rows where the method sees images."""
    made = cases.batch(method, task=task)
    return cases.mixed(made) if cases.sees_images(method) else made


@pytest.mark.parametrize("method", EVERY)
def test_a_few_steps_of_training_lower_the_loss(method):
    torch.manual_seed(0)
    model = VLHyperPELT.build(cases.spec(method), cases.inputs(method)).eval()
    batch, trained = batch_for(method), [weight for _, weight in model.trained()]
    frozen = {name: weight.clone() for name, weight in model.named_parameters() if not weight.requires_grad}
    optimizer = torch.optim.AdamW(trained, lr=0.03)
    losses = []
    for _ in range(10):
        loss = model(**batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]
    assert all(torch.equal(weight, frozen[name]) for name, weight in model.named_parameters() if name in frozen)


# Every method with one of both: how a weight is saved does not depend on the method's rows.
@pytest.mark.parametrize(("method", "backbone"), [*zip(EVERY, cycle(["original", "gated_untied"]), strict=False)])
def test_a_saved_model_comes_back_to_the_last_bit(method, backbone, tmp_path):
    model, batch = cases.model(method, backbone), batch_for(method)
    model.save_pretrained(tmp_path)
    loaded = VLHyperPELT.from_pretrained(tmp_path)
    assert torch.equal(loaded(**batch), model(**batch))
    asked = cases.without_labels(batch)
    options = {"num_beams": 3, "max_new_tokens": 5, "do_sample": False}
    assert torch.equal(loaded.generate(**asked, **options), model.generate(**asked, **options))
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        sizes = {name: prod(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    buffers = model.makers.state_dict(prefix="makers.").keys() - dict(model.named_parameters()).keys()
    # A tied head is in the file once.
    assert sizes.keys() == {name for name, _ in model.trained()} | buffers
    own = sum(size for name, size in sizes.items() if name not in buffers)
    assert own == count(model.spec, model.inputs).trained


@pytest.mark.parametrize("task", [None, 1], ids=["mixed_tasks", "one_task"])
def test_the_crossed_row_equals_the_plain_form(task):
    model, batch = cases.model("crossed"), batch_for("crossed", task)
    mine, oracle = model(**batch), plain_loss(model, **batch)
    assert cases.difference({"loss": mine}, {"loss": oracle}) <= 1e-6
    assert cases.difference(cases.gradients(model, mine), cases.gradients(model, oracle)) <= 1e-5


@pytest.mark.parametrize("task", [None, 1], ids=["mixed_tasks", "one_task"])
def test_prompts_compute_what_stock_t5_computes_on_longer_embeddings(task):
    model, batch = cases.model("foreign_prompts"), cases.batch("hyperpelt", task=task)
    loss = model(**batch)
    gradient = cases.gradients(model, loss)
    table = model.makers["prompt"].table[batch["task"].expand(4)]
    length = table.shape[1]
    model.attachment.set({})
    model.t5.set_attn_implementation("sdpa")
    stock = model.t5(
        inputs_embeds=torch.cat([table, model.t5.shared(batch["input_ids"])], 1),
        attention_mask=torch.cat([torch.ones(4, length, dtype=torch.long), batch["attention_mask"]], 1),
        labels=batch["labels"],
    ).loss
    assert cases.difference({"loss": loss}, {"loss": stock}) <= 1e-6
    assert cases.difference(gradient, cases.gradients(model, stock)) <= 1e-5


def test_gains_compute_what_t5_computes_with_scaled_matrices():
    model, batch = cases.model("gains", "deep_decoder"), cases.batch("hyperpelt", task=1)
    loss, factors = model(**batch), model.makers["gains"].gain[1].detach()
    model.attachment.set({})
    unscaled = model.t5(**cases.without_task(batch)).loss
    matrices = [layer.layer[1].DenseReluDense.wo for layer in model.t5.encoder.block]
    matrices += [layer.layer[0].SelfAttention.o for layer in model.t5.decoder.block]
    with torch.no_grad():
        for matrix, factor in zip(matrices, factors, strict=True):
            matrix.weight *= factor[:, None]
    assert cases.difference({"loss": loss}, {"loss": model.t5(**cases.without_task(batch)).loss}) <= 1e-6
    assert (unscaled - loss).abs() > 1e-4
