"""Forms that add to a module's output: adapters, with weights that exist or are made where they are used, and LoRA.

Letters: B rows of the batch · R rows that have weights of their own (1 or B; B is a multiple of R) · S positions ·
D model width · r bottleneck or rank · d_I width of a hyper-embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from vlhyper.model.forms import Bottleneck, LatentBottleneck, LowRank

# gelu_new is transformers' name for the approximation of gelu by tanh.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
}


def bottleneck(form: Bottleneck, x: Tensor, y: Tensor) -> Tensor:
    """y + λ norm(W_up act(W_down s + b_down) + b_up), for x the input of a module and y its output, both (B, S, D).

    s is x, or y where the adapter is sequential.
    """
    source = y if form.sequential else x
    rows = source.reshape(form.down.shape[0], -1, source.shape[-1])
    hidden = ACTIVATIONS[form.activation](_linear(rows, form.down, form.down_bias))
    if form.gain is None and form.up_bias is None:
        # r numbers a position are scaled, not D.
        return y + ((hidden * form.scale) @ form.up.transpose(1, 2)).view(y.shape)
    added = _linear(hidden, form.up, form.up_bias)
    if form.gain is not None and form.shift is not None:
        added = F.layer_norm(added, added.shape[-1:]) * form.gain[:, None] + form.shift[:, None]
    return y + (added * form.scale).view(y.shape)


def latent_bottleneck(form: LatentBottleneck, x: Tensor, y: Tensor) -> Tensor:
    """y + λ W_up relu(W_down x), for x the input of a module and y its output, both (B, S, D)."""
    return y + _Recomputed.apply(x, *form)


def low_rank(form: LowRank, x: Tensor, y: Tensor) -> Tensor:
    """y + λ B A x, for x the input (B, S, in) of a linear map and y its output (B, S, out)."""
    rows = x.reshape(form.a.shape[0], -1, x.shape[-1])
    hidden = (rows @ form.a.transpose(1, 2)) * form.scale
    return y + (hidden @ form.b.transpose(1, 2)).view(y.shape)


# How each form that adds to a module's output is applied: (form, input, output) -> output.
ADDED: dict[type, Callable[[Any, Tensor, Tensor], Tensor]] = {
    Bottleneck: bottleneck,
    LatentBottleneck: latent_bottleneck,
    LowRank: low_rank,
}


def _linear(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(R, M, i), (R, o, i), (R, o) -> (R, M, o)."""
    product = rows @ weight.transpose(1, 2)
    return product if bias is None else product + bias[:, None]


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
