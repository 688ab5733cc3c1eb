"""The parallel adapter beside a feed-forward, with weights that are given or made where they are used.

Letters: B rows of the batch · R rows that have weights of their own (1 or B; B is a multiple of R) · S positions ·
D model width · r bottleneck · d_I width of a hyper-embedding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Adapter(NamedTuple):
    """Weights that exist."""

    down: Tensor  # W_down, (R, r, D)
    up: Tensor  # W_up, (R, D, r)
    scale: Tensor  # λ, ()

    def __call__(self, x: Tensor) -> Tensor:
        """λ W_up relu(W_down x): (B, S, D) -> (B, S, D), x the layer-normed input of the feed-forward."""
        rows = x.reshape(self.down.shape[0], -1, x.shape[-1])
        hidden = (rows @ self.down.transpose(1, 2)).relu() * self.scale
        return (hidden @ self.up.transpose(1, 2)).view(x.shape)


class LatentAdapter(NamedTuple):
    """Weights that are made when the adapter is applied, and once more in backward; they never outlive either."""

    latent: Tensor  # Ī, (R, d_I)
    down: Tensor  # A_down, (d_I, r·D)
    up: Tensor  # A_up, (d_I, D·r)
    scale: Tensor  # λ, ()

    def __call__(self, x: Tensor) -> Tensor:
        """The same as `Adapter` with W_down = reshape(Ī A_down), W_up = reshape(Ī A_up)."""
        return _Recomputed.apply(x, *self)


class _Recomputed(torch.autograd.Function):
    """Saves what the weights are made from in place of the weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, latent: Tensor, down: Tensor, up: Tensor, scale: Tensor) -> Tensor:
        rows = x.reshape(latent.shape[0], -1, x.shape[-1])
        hidden = (rows @ _down(latent, down, rows).transpose(1, 2)).relu()
        ctx.save_for_backward(rows, latent, down, up, scale, hidden)
        # Backward runs outside the caller's autocast; its products have to be of the same type as these.
        device = x.device.type
        ctx.autocast = {"dtype": torch.get_autocast_dtype(device), "enabled": torch.is_autocast_enabled(device)}
        return (hidden * scale @ _up(latent, up, rows).transpose(1, 2)).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        rows, latent, down, up, scale, hidden = ctx.saved_tensors
        shape, grad = grad.shape, grad.reshape(rows.shape)
        with torch.autocast(rows.device.type, **ctx.autocast):
            to_hidden = grad @ _up(latent, up, rows)
            to_up = (grad.transpose(1, 2) @ (hidden * scale)).flatten(1)
            to_latent, to_up = (to_up @ up.T).to(latent.dtype), (latent.T @ to_up).to(up.dtype)
            to_scale = (to_hidden * hidden).sum(dtype=scale.dtype)
            to_hidden = torch.where(hidden > 0, to_hidden * scale, 0)
            to_rows = to_hidden @ _down(latent, down, rows)
            to_down = (to_hidden.transpose(1, 2) @ rows).flatten(1)
            to_latent, to_down = to_latent + (to_down @ down.T).to(latent.dtype), (latent.T @ to_down).to(down.dtype)
        return to_rows.view(shape).to(rows.dtype), to_latent, to_down, to_up, to_scale


def _down(latent: Tensor, down: Tensor, rows: Tensor) -> Tensor:
    return (latent @ down).unflatten(-1, (-1, rows.shape[-1]))


def _up(latent: Tensor, up: Tensor, rows: Tensor) -> Tensor:
    return (latent @ up).unflatten(-1, (rows.shape[-1], -1))
