"""HyperFormer++: adapters behind self-attentions and feed-forwards, and their norms, made from a task's embedding.

Source: Karimi Mahabadi et al., "Parameter-efficient Multi-task Fine-tuning for Transformers via Shared Hypernetworks"
(2021), as in the class `AdapterLayersOneHyperNetController` of their adapter_modeling.py. Encoder and decoder have
hypernetworks of their own and share the embeddings z_τ of the tasks. For layer i and block j of a stack,

    I = norm(relu([z_τ ; l_i ; b_j] W_1 + c_1) W_2 + c_2)
    each of W_down, b_down, W_up, b_up, gain and shift = I A + a, with an A and an a of its own
    y + LayerNorm(W_up gelu(W_down y + b_down) + b_up) for y what the block gives, with that gain and shift

Letters: B rows · R rows with a task of their own (1 or B) · Q sites of a stack · d_τ embedding width · m projector
width · d_I width of I · r bottleneck · D model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vlhyper.model.forms import Bottleneck, Form
from vlhyper.model.makers.maker import Conditions, Fill, Maker, Normal, Tensors, Weight
from vlhyper.model.sites import STACKS, Site, sites
from vlhyper.settings import Strict

if TYPE_CHECKING:
    from torch import Tensor

# The norm of the published code; the adapters' own norms have LayerNorm's usual 1e-5.
EPSILON = 1e-6
SMALL = Normal(0.01)


class Options(Strict):
    """Settings of the hypernetworks; defaults are those of the authors' hyperformer++.json."""

    embedding_width: int = Field(64, gt=0, description="d_τ")
    projector_width: int = Field(128, gt=0, description="m")
    hyper_width: int = Field(64, gt=0, description="d_I")
    bottleneck: int = Field(24, gt=0, description="r; the authors' reduction factor of 32")


class HyperFormer(Maker):
    """A generated adapter behind every block of its parts."""

    Options = Options
    forms = ("bottleneck",)

    def __init__(self, options: Any, parts: Any, size: Any, inputs: Any) -> None:
        super().__init__(options, parts, size, inputs)
        self.stacks: dict[str, list[Site]] = {}
        for site in sites(size, [block for part in parts for block in part.blocks]):
            self.stacks.setdefault(STACKS[site.block], []).append(site)

    def _types(self, stack: str) -> list[str]:
        """The blocks of a stack in the order of their embeddings."""
        return list(dict.fromkeys(site.block for site in self.stacks[stack]))

    def _layers(self, stack: str) -> int:
        return 1 + max(site.layer for site in self.stacks[stack])

    def weights(self) -> dict[str, Weight]:
        width = self.options.embedding_width
        tasks = (len(self.inputs.tasks), width)
        found = {"task": Weight(tasks, Normal(), "task embeddings", per_task=True)}
        for stack in self.stacks:
            found[f"{stack}.layer"] = Weight((self._layers(stack), width), Normal(), "layer embeddings")
            found[f"{stack}.block"] = Weight((len(self._types(stack)), width), Normal(), "block embeddings")
            found |= {f"{stack}.{name}": weight for name, weight in self._networks().items()}
        return found

    def _networks(self) -> dict[str, Weight]:
        inner, hyper = self.options.projector_width, self.options.hyper_width
        narrow, wide = self.options.bottleneck, self.size.d_model
        found = _linear("projector_in", 3 * self.options.embedding_width, inner, "projectors")
        found |= _linear("projector_out", inner, hyper, "projectors")
        found["norm.gain"] = Weight((hyper,), Fill(1.0), "projectors")
        found["norm.shift"] = Weight((hyper,), Fill(0.0), "projectors")
        for name, out in (("down", narrow * wide), ("down_bias", narrow), ("up", wide * narrow), ("up_bias", wide)):
            found |= _linear(name, hyper, out, "adapter hypernetworks")
        return (
            found
            | _linear("gain", hyper, wide, "norm hypernetworks")
            | _linear("shift", hyper, wide, "norm hypernetworks")
        )

    def indices(self) -> dict[str, Sequence[Any]]:
        """The rows of the tables of layers and blocks for every site of a stack."""
        found: dict[str, Sequence[Any]] = {}
        for stack, places in self.stacks.items():
            types = self._types(stack)
            found[f"{stack}.layers"] = [site.layer for site in places]
            found[f"{stack}.blocks"] = [types.index(site.block) for site in places]
        return found

    def make(self, tensors: Tensors, conditions: Conditions) -> dict[Site, list[Form]]:
        """An adapter behind every site."""
        z = tensors["task"][conditions.task.reshape(-1)]
        made: dict[Site, list[Form]] = {}
        for stack, places in self.stacks.items():
            own = {name.removeprefix(f"{stack}."): tensor for name, tensor in tensors.items()}
            layer, block = own["layer"][own["layers"]], own["block"][own["blocks"]]
            adapters = self._adapters(own, _hyper_embeddings(own, z, layer, block))
            made |= {site: [adapter] for site, adapter in zip(places, adapters, strict=True)}
        return made

    def _adapters(self, own: Tensors, hyper: Tensor) -> list[Bottleneck]:
        """(Q, R, d_I) -> an adapter for each of the Q sites."""
        narrow, wide = self.options.bottleneck, self.size.d_model
        made = {name: _applied(own, name, hyper) for name in ("down", "up", "down_bias", "up_bias", "gain", "shift")}
        made["down"] = made["down"].unflatten(-1, (narrow, wide))
        made["up"] = made["up"].unflatten(-1, (wide, narrow))
        each = zip(*(numbers.unbind() for numbers in made.values()), strict=True)
        return [
            Bottleneck(**dict(zip(made, numbers, strict=True)), scale=1.0, activation="gelu_new", sequential=True)
            for numbers in each
        ]


def _hyper_embeddings(own: Tensors, z: Tensor, layer: Tensor, block: Tensor) -> Tensor:
    """z (R, d_τ), layer and block (Q, d_τ) -> I, (Q, R, d_I)."""
    w_z, w_l, w_b = own["projector_in.weight"].chunk(3)
    hidden = (z @ w_z + (layer @ w_l + block @ w_b)[:, None] + own["projector_in.bias"]).relu()
    hyper = _applied(own, "projector_out", hidden)
    centred = hyper - hyper.mean(-1, keepdim=True)
    normed = centred * (centred.square().mean(-1, keepdim=True) + EPSILON).rsqrt()
    return normed * own["norm.gain"] + own["norm.shift"]


def _linear(name: str, into: int, out: int, group: str) -> dict[str, Weight]:
    return {f"{name}.weight": Weight((into, out), SMALL, group), f"{name}.bias": Weight((out,), Fill(0.0), group)}


def _applied(own: Tensors, name: str, x: Tensor) -> Tensor:
    return x @ own[f"{name}.weight"] + own[f"{name}.bias"]
