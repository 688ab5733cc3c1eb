"""The cells of an image's grid as tokens beside the text.

Source: VL-T5 (Cho et al. 2021) and VL-Adapter (Sung et al. 2022), `VisualEmbedding` in modeling_t5.py, with their
settings for CLIP-T5. A cell becomes

    norm(W_f g + b_f) + norm(W_p p + b_p) + image order + e

where g is the cell, p = (x1, x2, y1, y2, area) its box, which their CLIP features leave 0, and e T5's own embedding of
the last token of the vocabulary for the first cell, of the last but one for the second, and so on. The features are not
standardised, and the tokens take no relative position bias.

Letters: B rows · N grid cells · d_v grid channels · D model width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlhyper.errors import UserError
from vlhyper.model.forms import Form, Tokens
from vlhyper.model.makers.maker import Conditions, Fill, Maker, Normal, Tensors, Weight
from vlhyper.model.sites import Site

if TYPE_CHECKING:
    from torch import Tensor

POSITIONS = 5
# VL-T5 has room for the two images of NLVR2; a task with one image trains the first row.
IMAGES = 2
EPSILON = 1e-6


class Image(Maker):
    """Tokens of (B, N, D) behind the text; none where the batch has no image."""

    forms = ("tokens",)

    def __init__(self, options: Any, parts: Any, size: Any, inputs: Any) -> None:
        super().__init__(options, parts, size, inputs)
        if not (inputs.tokens and inputs.width):
            raise UserError("this method reads images as tokens; say how many cells and channels they have")

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
        cells = grid.shape[1]
        boxes = grid.new_zeros(1, cells, POSITIONS)
        feature, position = _embedded(tensors, "feature", grid), _embedded(tensors, "position", boxes)
        embeds = feature + position + tensors["order"][0] + conditions.embeddings[-cells:].flip(0)
        return {Site("input", 0): [Tokens(embeds, conditions.pictured, front=False, biased=False)]}


def _embedded(tensors: Tensors, name: str, x: Tensor) -> Tensor:
    """norm(x W + b), the norm T5's: without a mean, scaled by its weight."""
    y = x @ tensors[f"{name}.weight"] + tensors[f"{name}.bias"]
    return y * (y.square().mean(-1, keepdim=True) + EPSILON).rsqrt() * tensors[f"{name}.norm"]
