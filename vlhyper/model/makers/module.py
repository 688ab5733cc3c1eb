"""The one torch module that every maker becomes: parameters and buffers as described, forms as made."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vlhyper.model.forms import Form
from vlhyper.model.makers.maker import Conditions, Fill, Maker, Uniform, Weight
from vlhyper.model.sites import Site

# Statistics of image features that a maker may keep as buffers of these names.
MEAN, DEVIATION = "mean", "deviation"


class MakerModule(nn.Module):
    """A maker with its weights."""

    def __init__(self, maker: Maker, deviations: Mapping[str, float]) -> None:
        """Draw all weights in the order of `maker.weights()`.

        Args:
            deviations: that of the backbone's own keys ("key"), values ("value") and word embeddings ("word").
        """
        super().__init__()
        self.maker = maker
        for name, weight in maker.weights().items():
            holder, last = self._holder(name)
            holder.register_parameter(last, nn.Parameter(_start(weight, deviations)))
        for name, weight in maker.buffers().items():
            holder, last = self._holder(name)
            holder.register_buffer(last, _start(weight, deviations))
        for name, index in maker.indices().items():
            holder, last = self._holder(name)
            holder.register_buffer(last, torch.tensor(index, dtype=torch.long), persistent=False)

    def _holder(self, name: str) -> tuple[nn.Module, str]:
        """The module that holds a tensor of this dotted name (made if needed), and the last part of the name."""
        *parents, last = name.split(".")
        holder: nn.Module = self
        for parent in parents:
            if parent not in dict(holder.named_children()):
                holder.add_module(parent, nn.Module())
            holder = holder.get_submodule(parent)
        return holder, last

    def forward(self, conditions: Conditions) -> dict[Site, list[Form]]:
        tensors: dict[str, Tensor] = dict(self.named_parameters())
        return self.maker.make(tensors | dict(self.named_buffers()), conditions)

    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Keep the statistics of the training images' grids where the maker has room for them."""
        for name, buffer in self.named_buffers():
            kept = {MEAN: mean, DEVIATION: deviation}.get(name.rpartition(".")[2])
            if kept is not None:
                buffer.copy_(kept)


def _start(weight: Weight, deviations: Mapping[str, float]) -> Tensor:
    if isinstance(weight.start, Fill):
        return torch.full(weight.shape, weight.start.value)
    if isinstance(weight.start, Uniform):
        return torch.empty(weight.shape).uniform_(-weight.start.limit, weight.start.limit)
    deviation = weight.start.deviation
    if weight.start.of is not None:
        deviation = deviations[weight.start.of] * deviation
    drawn = torch.randn(*weight.shape)
    return drawn if deviation == 1.0 else drawn * deviation
