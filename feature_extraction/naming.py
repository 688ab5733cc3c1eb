"""Names of weights in other layouts as open_clip's visual towers name them: CLIP of transformers, plain timm."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from vlhyper.errors import UserError
from vlhyper.files import read_json

Tensors = dict[str, torch.Tensor]
VISION = "vision_model."
# transformers.models.clip.modeling_clip -> open_clip.transformer
NAMES = {
    r"embeddings\.class_embedding": "class_embedding",
    r"embeddings\.patch_embedding\.weight": "conv1.weight",
    r"embeddings\.position_embedding\.weight": "positional_embedding",
    # The name is misspelt in transformers.
    r"pre_layrnorm\.(\w+)": r"ln_pre.\1",
    r"post_layernorm\.(\w+)": r"ln_post.\1",
    r"encoder\.layers\.(\d+)\.layer_norm(\d)\.(\w+)": r"transformer.resblocks.\1.ln_\2.\3",
    r"encoder\.layers\.(\d+)\.self_attn\.out_proj\.(\w+)": r"transformer.resblocks.\1.attn.out_proj.\2",
    r"encoder\.layers\.(\d+)\.mlp\.fc1\.(\w+)": r"transformer.resblocks.\1.mlp.c_fc.\2",
    r"encoder\.layers\.(\d+)\.mlp\.fc2\.(\w+)": r"transformer.resblocks.\1.mlp.c_proj.\2",
}
QUERY = re.compile(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(\w+)")
# What timm's models call their classifiers.
TIMM_HEADS = ("attn_pool", "fc_norm", "head", "classifier", "fc")


def is_transformers_clip(names: Iterable[str]) -> bool:
    return any(name.startswith(VISION) for name in names)


def from_transformers(tensors: Tensors, path: Path) -> Tensors:
    """The visual tower of a CLIP checkpoint in transformers' layout. Raises UserError for an unknown name."""
    vision = {name.removeprefix(VISION): value for name, value in tensors.items() if name.startswith(VISION)}
    vision.pop("embeddings.position_ids", None)
    found = {}
    for name in list(vision):
        if match := QUERY.fullmatch(name):
            parts = [vision.pop(name.replace("q_proj", f"{part}_proj"), None) for part in "qkv"]
            if any(part is None for part in parts):
                raise UserError(f"{path}: {name} has no matching k_proj and v_proj; download or copy the file again")
            whole = [part for part in parts if part is not None]
            # Joined, an integer among floats would pass for one.
            if len({(part.shape, part.dtype) for part in whole}) > 1 or not whole[0].ndim:
                raise UserError(f"{path}: {name}, k_proj and v_proj differ in shape or type; copy the file again")
            found[f"transformer.resblocks.{match[1]}.attn.in_proj_{match[2]}"] = torch.cat(whole)
    for name, value in vision.items():
        pattern = next((pattern for pattern in NAMES if re.fullmatch(pattern, name)), None)
        if pattern is None:
            raise UserError(
                f"{path}: {VISION}{name} is not a name of transformers' CLIP; convert the file to open_clip"
            )
        found[re.sub(pattern, NAMES[pattern], name)] = value
    if "visual_projection.weight" in tensors:
        found["proj"] = tensors["visual_projection.weight"].T
    return found


def trained_with_quick_gelu(path: Path) -> bool:
    """What config.json beside a checkpoint of transformers says; its CLIP has QuickGELU unless it says otherwise."""
    config = path.with_name("config.json")
    if not config.is_file():
        return False
    content: Any = read_json(config)
    vision = content.get("vision_config", content) if isinstance(content, dict) else {}
    return isinstance(vision, dict) and vision.get("hidden_act", "quick_gelu") == "quick_gelu"


def for_tower(tensors: Tensors, names: Iterable[str]) -> Tensors:
    """`tensors` named as in a tower with these names: timm's own names get open_clip's prefix, its heads are left out.

    Towers of other kinds get their tensors as they are.
    """
    if not any(name.startswith("trunk.") for name in names):
        return tensors
    if not any(name.startswith("trunk.") for name in tensors):
        tensors = {f"trunk.{name}": value for name, value in tensors.items()}
    return {name: value for name, value in tensors.items() if name.split(".")[1] not in TIMM_HEADS}
