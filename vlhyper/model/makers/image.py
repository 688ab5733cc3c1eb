"""The cells of an image's grid, or its regions, as tokens beside the text.

Source: VL-T5 (Cho et al. 2021) and VL-Adapter (Sung et al. 2022), `VisualEmbedding` in modeling_t5.py. A cell becomes

    norm(W_f g + b_f) + norm(W_p p + b_p) + image order + e

where g is the cell, p = (x1, y1, x2, y2, area) its box, which the CLIP features of VL-Adapter leave 0, and e T5's own
embedding of the last token of the vocabulary for the first cell, of the last but one for the second, and so on. The
features are not standardised, and the tokens take no relative position bias. Where fewer tokens than cells are asked
for, the square grid is max-pooled first (`Downsample` in VL-Adapter's modeling_bart.py).

Letters: B rows · N grid cells or regions · d_v grid channels · D model width.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vlhyper.errors import UserError
from vlhyper.model.forms import Form, Tokens
from vlhyper.model.makers.maker import Conditions, Fill, Maker, Normal, Tensors, Weight
from vlhyper.model.sites import Site
from vlhyper.settings import Strict

if TYPE_CHECKING:
    from torch import Tensor

POSITIONS = 5
# VL-T5 has room for the two images of NLVR2; a task with one image trains the first row.
IMAGES = 2
EPSILON = 1e-6


class Options(Strict):
    """Settings of the tokens."""

    image_tokens: int | None = Field(
        None, gt=0, description="pool a square grid to so many cells (VL-Adapter: 36); all cells where left out"
    )


class Settings(Strict):
    """Settings of a part. boxes: whether the tokens have boxes, or boxes of zeros."""

    boxes: bool = False


class Image(Maker):
    """Tokens of (B, N, D) behind the text; none where the batch has no image."""

    Options = Options
    Settings = Settings
    forms = ("tokens",)

    def __init__(self, options: Any, parts: Any, size: Any, inputs: Any) -> None:
        super().__init__(options, parts, size, inputs)
        if not (inputs.tokens and inputs.width):
            raise UserError("this method reads images as tokens; say how many cells and channels they have")
        self.boxes = any(self.settings(part).boxes for part in parts)
        # Side of the grid after pooling; None where all cells become tokens.
        self.side = _side(options.image_tokens, inputs.tokens)

    def weights(self) -> dict[str, Weight]:
        width, channels = self.size.d_model, self.inputs.width or 0
        found: dict[str, Weight] = {}
        for name, size in (("feature", channels), ("position", POSITIONS)):
            found[f"{name}.weight"] = Weight((size, width), Normal(size**-0.5), "visual embedding")
            found[f"{name}.bias"] = Weight((width,), Fill(0.0), "visual embedding")
            found[f"{name}.norm"] = Weight((width,), Fill(1.0), "visual embedding")
        return found | {"order": Weight((IMAGES, width), Normal(), "visual embedding")}

    def make(self, tensors: Tensors, conditions: Conditions) -> dict[Site, list[Form]]:
        """The cells as tokens at the encoder's input."""
        if conditions.grid is None:
            return {}
        grid = conditions.grid.to(tensors["feature.weight"].dtype)
        if self.side:
            grid = _pooled(grid, self.side)
        cells = grid.shape[1]
        boxes = _positions(conditions.boxes) if self.boxes else grid.new_zeros(1, cells, POSITIONS)
        feature, position = _embedded(tensors, "feature", grid), _embedded(tensors, "position", boxes)
        words = conditions.embeddings[-cells:].flip(0) * conditions.word_scale
        embeds = feature + position + tensors["order"][0] + words
        return {Site("input", 0): [Tokens(embeds, conditions.pictured, front=False, biased=False)]}


def _side(wanted: int | None, cells: int) -> int | None:
    if wanted in (None, cells):
        return None
    if wanted > cells or isqrt(wanted) ** 2 != wanted or isqrt(cells) ** 2 != cells:
        raise UserError(
            f"image_tokens: {cells} cells cannot be pooled to {wanted}; both must be square numbers, {wanted} the "
            "smaller (image_tokens: null takes all cells)"
        )
    return isqrt(wanted)


def _pooled(grid: Tensor, side: int) -> Tensor:
    """(B, N, d_v) -> (B, side², d_v), the maximum of each part of the square grid."""
    from torch.nn.functional import adaptive_max_pool2d

    square = grid.transpose(1, 2).unflatten(-1, (isqrt(grid.shape[1]), -1))
    return adaptive_max_pool2d(square, side).flatten(2).transpose(1, 2)


def _positions(boxes: Tensor | None) -> Tensor:
    """(B, N, 4) -> (B, N, 5), with what VL-T5 calls the area.

    Its `get_area` takes the four numbers for x1, x2, y1, y2, but its data sets give x1, y1, x2, y2: the product is
    (y2 - x2) (y1 - x1). Kept, since published weights were trained with it.
    """
    if boxes is None:
        raise UserError(
            "this method needs the boxes of its image features, and these have none; import features with boxes"
        )
    x1, y1, x2, y2 = boxes.unbind(-1)
    positions = boxes.new_empty(*boxes.shape[:-1], POSITIONS)
    positions[..., :4], positions[..., 4] = boxes, (y2 - x2) * (y1 - x1)
    return positions


def _embedded(tensors: Tensors, name: str, x: Tensor) -> Tensor:
    """norm(x W + b), the norm T5's: without a mean, scaled by its weight."""
    y = x @ tensors[f"{name}.weight"] + tensors[f"{name}.bias"]
    return y * (y.square().mean(-1, keepdim=True) + EPSILON).rsqrt() * tensors[f"{name}.norm"]
