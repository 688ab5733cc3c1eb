"""Forms that add to a module's output: parallel adapters, with weights that exist or are made where they are used.

Letters: B rows of the batch · R rows that have weights of their own (1 or B; B is a multiple of R) · S positions ·
D model width · r bottleneck · d_I width of a hyper-embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vlhyper.model.forms import Bottleneck, LatentBottleneck


def bottleneck(form: Bottleneck | LatentBottleneck, x: Tensor, y: Tensor) -> Tensor:
    """y + λ W_up relu(W_down x), for x the input of a module and y its output, both (B, S, D)."""
    if isinstance(form, LatentBottleneck):
        return y + _Recomputed.apply(x, *form)
    rows = x.reshape(form.down.shape[0], -1, x.shape[-1])
    hidden = (rows @ form.down.transpose(1, 2)).relu() * form.scale
    return y + (hidden @ form.up.transpose(1, 2)).view(x.shape)


# How each form that adds to a module's output is applied: (form, input, output) -> output.
ADDED: dict[type, Callable[[Any, Tensor, Tensor], Tensor]] = {Bottleneck: bottleneck, LatentBottleneck: bottleneck}


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
