"""Forms: what a maker puts at a site. They hold tensors only; attention.py and adapters.py apply them.

Letters: B rows of the batch · R rows that have weights of their own (1 = all rows share them, or B; B is a multiple of
R, since the beams of a row share its weights) · N prefix length or number of tokens · d_I width of a hyper-embedding ·
H·P joint width of the heads of keys · D model width · r bottleneck, or rank of a low-rank form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from vlhyper.model.sites import ATTENTION, FEED_FORWARD, INPUT, LINEAR

if TYPE_CHECKING:
    from torch import Tensor


class Prefix(NamedTuple):
    """A prefix in latent form: its keys I W_K and values I W_V are never made (docs/method.md, "The latent form")."""

    latent: Tensor  # I, (R, N, d_I)
    key: Tensor  # W_K, (d_I, H·P)
    value: Tensor  # W_V, (d_I, H·P)
    present: Tensor | None = None  # (R,) bool, rows that have this prefix; None for all


class WholePrefix(NamedTuple):
    """A prefix whose keys and values exist."""

    key: Tensor  # (R, N, H·P)
    value: Tensor  # (R, N, H·P)


class Bottleneck(NamedTuple):
    """An adapter whose weights exist: y + λ norm(W_up act(W_down s + b_down) + b_up).

    s is x where the adapter is parallel to its module and y where it comes behind it. Without a norm it is left out.
    """

    down: Tensor  # W_down, (R, r, D)
    up: Tensor  # W_up, (R, D, r)
    scale: Tensor | float  # λ, ()
    down_bias: Tensor | None = None  # (R, r)
    up_bias: Tensor | None = None  # (R, D)
    gain: Tensor | None = None  # (R, D), of the norm, a LayerNorm with mean and bias
    shift: Tensor | None = None  # (R, D)
    activation: Literal["relu", "gelu_new"] = "relu"
    sequential: bool = False


class LatentBottleneck(NamedTuple):
    """The same, with weights that are made where they are applied, and once more in backward."""

    latent: Tensor  # Ī, (R, d_I); W_down = reshape(Ī A_down), W_up = reshape(Ī A_up)
    down: Tensor  # A_down, (d_I, r·D)
    up: Tensor  # A_up, (d_I, D·r)
    scale: Tensor  # λ, ()


class LowRank(NamedTuple):
    """What LoRA adds to a linear map: y + λ B A x."""

    a: Tensor  # (R, r, width of x)
    b: Tensor  # (R, width of y, r)
    scale: float  # λ


class Tokens(NamedTuple):
    """Tokens beside those of the text in the encoder's input; decoder cross-attention sees them too."""

    embeds: Tensor  # (R, N, D)
    present: Tensor | None = None  # (R,) bool, rows that have these tokens; None for all
    front: bool = False  # before the text, or behind it
    biased: bool = True  # False: these tokens have no position (docs/method.md, "Sites")


Form = Prefix | WholePrefix | Bottleneck | LatentBottleneck | LowRank | Tokens
# What a row of the table of methods may ask for, and the blocks that can take it.
FORMS: dict[str, tuple[str, ...]] = {
    "prefix": ATTENTION,
    "bottleneck": (*ATTENTION, *FEED_FORWARD),
    "low_rank": LINEAR,
    "tokens": INPUT,
}
