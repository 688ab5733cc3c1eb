"""The visual towers of open_clip, each cut off where its own pooling begins.

Every cut takes the pooling and what follows it out of the tower, so that weights without these parts fit, and returns
the function that makes the grid that the pooling would have seen: (B, 3, height, width) -> (B, S, C), S row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from vlhyper.errors import UserError

Grid = Callable[[torch.Tensor], torch.Tensor]


def build_tower(model: dict[str, Any], quick_gelu: bool = False) -> nn.Module:
    """The visual tower of an open_clip model config, with random weights. Raises UserError where there is none."""
    # The whole model would bring a text tower that is not needed, and for some names asks the hub for its config.
    from open_clip.model import _build_vision_tower

    vision = {**model["vision_cfg"]}
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    try:
        return _build_vision_tower(model["embed_dim"], vision, quick_gelu or model.get("quick_gelu", False))
    # A config from a file may hold anything, and each builder has its own way to fail on it.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"open_clip can't build the visual tower of this model config ({reason})") from error


def cut(tower: nn.Module) -> Grid:
    """Take the pooling out of `tower`; see the module's text."""
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
    # Where the pooling itself attends, or the norm comes after it, the pooling sees tokens without the norm.
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
        if name in ("attn_pool", "fc_norm", "head"):
            setattr(trunk, name, nn.Identity())

    def grid(images: torch.Tensor) -> torch.Tensor:
        x = trunk.forward_features(images)
        if not isinstance(x, torch.Tensor) or x.ndim not in (3, 4):
            raise UserError(f"the tower {type(trunk).__name__} of timm has no single grid; choose another --encoder")
        if x.ndim == 3:
            return x[:, getattr(trunk, "num_prefix_tokens", 0) :]
        # Swin and its kin keep the channels last.
        return _tokens(x) if x.shape[1] == trunk.num_features else x.flatten(1, 2)

    return grid


def _tokens(x: torch.Tensor) -> torch.Tensor:
    """(B, C, rows, columns) -> (B, S, C)."""
    return x.flatten(2).transpose(1, 2)


def fold_batch_norms(tower: nn.Module) -> None:
    """Work each frozen batch norm of a CLIP ResNet into the convolution before it: the same map, fewer passes."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in tower.modules():
        parts = dict(module.named_children())
        for convolution, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("0", "1")):
            before, after = parts.get(convolution), parts.get(norm)
            if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                setattr(module, convolution, fuse_conv_bn_eval(before, after))
                setattr(module, norm, nn.Identity())
