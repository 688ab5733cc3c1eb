"""The visual towers of open_clip, each cut off before its pooling.

Every cut removes the pooling and what follows it from the tower, so that weights without these parts fit, and returns
the function that computes the input of the pooling: (B, 3, height, width) -> (B, S, C), S row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from feature_extraction.naming import TIMM_HEADS
from vlhyper.errors import UserError

Grid = Callable[[torch.Tensor], torch.Tensor]


def build_tower(model: dict[str, Any], quick_gelu: bool = False) -> nn.Module:
    """Build the visual tower of an open_clip model config, with random weights. Raises UserError where this fails."""
    # The whole model would include an unused text tower, and for some names it would download a config from the hub.
    from open_clip.model import _build_vision_tower

    vision = {**model["vision_cfg"]}
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    try:
        return _build_vision_tower(model["embed_dim"], vision, quick_gelu or model.get("quick_gelu", False))
    # A config from a file may contain anything, and each builder fails in its own way.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"open_clip cannot build the visual tower of this model config ({reason}); check vision_cfg"
        ) from error


def cut(tower: nn.Module) -> Grid:
    """Remove the pooling from `tower`; see the docstring of this module."""
    from open_clip.modified_resnet import ModifiedResNet
    from open_clip.timm_model import TimmModel
    from open_clip.transformer import VisionTransformer

    cuts = {ModifiedResNet: _cut_resnet, VisionTransformer: _cut_vit, TimmModel: _cut_timm}
    return cuts[type(tower)](tower)


def _cut_resnet(tower: Any) -> Grid:
    tower.attnpool = None

    def grid(images: torch.Tensor) -> torch.Tensor:
        x = tower.stem(images)
        for layer in (tower.layer1, tower.layer2, tower.layer3, tower.layer4):
            x = layer(x)
        return _tokens(x)

    return grid


def _cut_vit(tower: Any) -> Grid:
    # An attention pooling, and a pooling followed by the norm, get tokens without the norm.
    normed = tower.attn_pool is None and not tower.final_ln_after_pool
    tower.attn_pool = tower.proj = None
    if not normed:
        tower.ln_post = nn.Identity()

    def grid(images: torch.Tensor) -> torch.Tensor:
        last = tower.forward_intermediates(
            images, indices=1, normalize_intermediates=normed, intermediates_only=True, output_fmt="NLC"
        )
        return last["image_intermediates"][-1]

    return grid


def _cut_timm(tower: Any) -> Grid:
    trunk = tower.trunk
    tower.head = nn.Identity()
    for name, _ in list(trunk.named_children()):
        if name in TIMM_HEADS:
            setattr(trunk, name, nn.Identity())

    def grid(images: torch.Tensor) -> torch.Tensor:
        x = trunk.forward_features(images)
        if not isinstance(x, torch.Tensor) or x.ndim not in (3, 4):
            raise UserError(f"the timm model {type(trunk).__name__} has no single grid; choose another --encoder")
        if x.ndim == 3:
            return x[:, getattr(trunk, "num_prefix_tokens", 0) :]
        # Swin and similar models keep the channels last.
        return _tokens(x) if x.shape[1] == trunk.num_features else x.flatten(1, 2)

    return grid


def _tokens(x: torch.Tensor) -> torch.Tensor:
    """(B, C, rows, columns) -> (B, S, C)."""
    return x.flatten(2).transpose(1, 2)


def fold_batch_norms(tower: nn.Module) -> None:
    """Fold each frozen batch norm of a CLIP ResNet into the convolution before it: same function, fewer passes."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in tower.modules():
        parts = dict(module.named_children())
        for convolution, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("0", "1")):
            before, after = parts.get(convolution), parts.get(norm)
            if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                setattr(module, convolution, fuse_conv_bn_eval(before, after))
                setattr(module, norm, nn.Identity())
