"""Makers: who makes the weights that enter the places.

Letters: B rows · R rows with embeddings of their own (1 or B) · Q places · N prefix length = grid cells ·
d_v grid channels · d_τ embedding width · m projector width · d_I hyper-embedding width · r adapter bottleneck ·
D model width · H·P joint width of the heads · L layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vlhyper.model.adapters import Adapter, LatentAdapter
from vlhyper.model.kinds import ADAPTER_BLOCKS, BLOCKS, PREFIX_BLOCKS, Place, places
from vlhyper.model.places import Prefix, Weights
from vlhyper.model.sizes import HyperSizes

# Adapter weights of a step up to this many numbers (256 MiB) are made for all places together and kept until backward,
# which is faster; more of them are made at each place and once more in backward, which is leaner.
KEPT = 2**26


class Conditions(NamedTuple):
    """What the weights of one forward depend on."""

    task: Tensor  # () for one task in the whole batch, or (B,) of task numbers
    grid: Tensor | None  # (B, N, d_v) image features, any float dtype


class TaskEmbedding(nn.Module):
    """z_τ ∈ R^{N×d_τ} for every task (paper section 3.2)."""

    def __init__(self, tasks: int, length: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tasks, length, width))

    def forward(self, conditions: Conditions, projection: Tensor) -> Tensor:
        """z_τ W_z: (R, N, m)."""
        z = self.weight[conditions.task.reshape(-1)]
        return z @ projection


class VisualMapping(nn.Module):
    """z_v = G M, the embedding made from an image's grid (paper section 3.3).

    G is standardised first: channel means taken off, divided by the overall deviation. Those statistics belong to
    the run and are not trained.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, width) * channels**-0.5)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, conditions: Conditions, projection: Tensor) -> Tensor:
        """(G M) W_z as G (M W_z): (B, N, m). The embedding z_v of width d_τ is never made."""
        if conditions.grid is None:
            raise ValueError("this method makes weights from images; give the batch its image features")
        grid = (conditions.grid.to(self.mean.dtype) - self.mean) / self.deviation
        return grid @ (self.weight @ projection)


class HyperNetwork(nn.Module):
    """One side: a projector and the prefix and adapter hypernetworks, shared by all layers, blocks and tasks.

        I   = relu([z ; l_i ; b_j] W_1) W_2
        K   = I W_K,  V = I W_V
        W_down = reshape(Ī A_down),  W_up = reshape(Ī A_up),   Ī = mean of I over its N rows

    The first layer is split, [z ; l ; b] W_1 = z W_z + l W_l + b W_b, so that the part of the image is computed once
    for all places; the mean over N is taken before W_2, with which it commutes.
    """

    def __init__(self, sizes: HyperSizes, key_deviation: float, value_deviation: float) -> None:
        super().__init__()
        self.sizes = sizes
        width, hidden, hyper = sizes.embedding_width, sizes.projector_width, sizes.hyper_width
        shape = sizes.shape
        # 1.4 ≈ √2 makes up for what the relu takes away; a trial trained well with it on both layers.
        self.projector_in = _normal(3 * width, hidden, deviation=1.4 * (3 * width) ** -0.5)
        self.projector_out = _normal(hidden, hyper, deviation=1.4 * hidden**-0.5)
        self.prefix_places = places(shape, [block for block in sizes.blocks if block in PREFIX_BLOCKS])
        self.adapter_places = places(shape, [block for block in sizes.blocks if block in ADAPTER_BLOCKS])
        if self.prefix_places:
            # Of the two factors the relu takes one; what is left in I (1.4² / √2) is taken off here.
            unit = (hyper * 1.92) ** -0.5
            self.key = _normal(hyper, shape.inner, deviation=key_deviation * unit)
            self.value = _normal(hyper, shape.inner, deviation=value_deviation * unit)
        if self.adapter_places:
            adapter = sizes.bottleneck * shape.d_model
            self.down = _normal(hyper, adapter, deviation=(hyper * shape.d_model) ** -0.5)
            # With no way up an adapter starts as a no-op (design.md section 3).
            self.up = nn.Parameter(torch.zeros(hyper, adapter))
            self.scale = nn.Parameter(torch.ones(len(self.adapter_places)))

    def forward(
        self, source: TaskEmbedding | VisualMapping, conditions: Conditions, layer: Tensor, block: Tensor
    ) -> dict[Place, Weights]:
        """Weights for every place.

        Args:
            layer: l, (L, N, d_τ).
            block: b, (number of block types, N, d_τ).
        """
        w_z, w_l, w_b = self.projector_in.chunk(3)
        embedded = source(conditions, w_z)
        layer, block = layer @ w_l, block @ w_b
        weights: dict[Place, Weights] = {}
        if self.prefix_places:
            weights.update(self._prefixes(embedded, layer, block))
        if self.adapter_places:
            weights.update(self._adapters(embedded, layer, block))
        return weights

    def _prefixes(self, embedded: Tensor, layer: Tensor, block: Tensor) -> dict[Place, Weights]:
        hidden = _first_layer(self.prefix_places, embedded, layer, block)
        latents = (hidden @ self.projector_out).unbind()
        return {
            place: Prefix(latent, self.key, self.value)
            for place, latent in zip(self.prefix_places, latents, strict=True)
        }

    def _adapters(self, embedded: Tensor, layer: Tensor, block: Tensor) -> dict[Place, Weights]:
        sizes = self.sizes
        hidden = _first_layer(self.adapter_places, embedded, layer, block)
        mean = hidden.mean(dim=2) @ self.projector_out
        if torch.is_grad_enabled() and 2 * mean[..., 0].numel() * self.down.shape[1] > KEPT:
            made: Iterable[Weights] = (
                LatentAdapter(latent, self.down, self.up, scale)
                for latent, scale in zip(mean.unbind(), self.scale.unbind(), strict=True)
            )
        else:
            # One product for all places: a small one at each place would read the large matrices every time.
            down = (mean @ self.down).unflatten(-1, (sizes.bottleneck, sizes.shape.d_model)).unbind()
            up = (mean @ self.up).unflatten(-1, (sizes.shape.d_model, sizes.bottleneck)).unbind()
            made = map(Adapter, down, up, self.scale.unbind())
        return dict(zip(self.adapter_places, made, strict=True))


def _normal(*size: int, deviation: float) -> nn.Parameter:
    return nn.Parameter(torch.randn(*size) * deviation)


def _first_layer(at: Sequence[Place], embedded: Tensor, layer: Tensor, block: Tensor) -> Tensor:
    """relu(z W_z + l_i W_l + b_j W_b) for Q places: (R, N, m), (L, N, m), (5, N, m) -> (Q, R, N, m)."""
    layers = [place.layer for place in at]
    blocks = [BLOCKS[place.block].row for place in at]
    return (embedded + (layer[layers] + block[blocks])[:, None]).relu()


class HyperMaker(nn.Module):
    """Makes weights for its places from a task embedding, from an image, or from both.

    The tables of layer embeddings l_i and block embeddings b_j are shared by the two sides.
    """

    def __init__(self, sizes: HyperSizes, key_deviation: float = 1.0, value_deviation: float = 1.0) -> None:
        super().__init__()
        shape = (sizes.length, sizes.embedding_width)
        # Deviation 1: with tables ten times smaller a trial lost the sense of place, which only their rows carry.
        self.layer = nn.Parameter(torch.randn(sizes.shape.layers, *shape))
        self.block = nn.Parameter(torch.randn(len(BLOCKS), *shape))
        self.sources = nn.ModuleDict({side: _source(side, sizes) for side in sizes.sides})
        self.sides = nn.ModuleDict({side: HyperNetwork(sizes, key_deviation, value_deviation) for side in sizes.sides})

    def forward(self, conditions: Conditions) -> dict[Place, list[Weights]]:
        """The weights of every side at every place, the task's before the image's."""
        weights: dict[Place, list[Weights]] = {}
        for side, network in self.sides.items():
            for place, made in network(self.sources[side], conditions, self.layer, self.block).items():
                weights.setdefault(place, []).append(made)
        return weights


def _source(side: str, sizes: HyperSizes) -> TaskEmbedding | VisualMapping:
    if side == "task":
        return TaskEmbedding(sizes.tasks, sizes.length, sizes.embedding_width)
    return VisualMapping(sizes.channels, sizes.embedding_width)
