"""How probable a model finds given targets.

Letters: B rows · K targets of each row · T target tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from vlhyper.model.model import IGNORED, VLHyperPELT


@torch.no_grad()
def log_likelihood(model: VLHyperPELT, targets: Tensor, inputs: dict[str, Tensor]) -> Tensor:
    """ln P(target | row), the sum over its tokens of ln P(token | row, tokens before it), by teacher forcing.

    The encoder runs once for each row and its forms are made once, as in a search with K beams.

    Args:
        targets: (B, K, T) token ids, -100 behind their ends. The end token counts where a target has it.
        inputs: arguments of `VLHyperPELT.generate` by name.

    Returns:
        (B, K) in nats.
    """
    choices = targets.shape[1]
    given: dict[str, Any] = {"grid": None, "pictured": None, "boxes": None, **inputs}
    given["mask"] = given.pop("attention_mask")
    backbone: Any = model.t5
    source = model.steered(**given)
    hidden, mask = backbone.get_encoder()(**source).last_hidden_state, source["attention_mask"]
    labels = targets.flatten(0, 1)
    logits = backbone(
        encoder_outputs=BaseModelOutput(hidden.repeat_interleave(choices, 0)),
        attention_mask=mask.repeat_interleave(choices, 0),
        decoder_input_ids=backbone.prepare_decoder_input_ids_from_labels(labels),
        use_cache=False,
    ).logits
    known = logits.float().log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return known.masked_fill(labels == IGNORED, 0).sum(-1).view(targets.shape[:2])
