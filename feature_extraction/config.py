"""The architecture and the preprocessing of an encoder: model configs of open_clip, by name or from a file."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_extraction.images import RULES
from vlhyper.errors import UserError
from vlhyper.files import read_json


@dataclass(frozen=True)
class Preprocessing:
    """size: (height, width) in pixels; mean, std: per channel, of values in 0..1; interpolation: a Pillow filter."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"

    def record(self) -> dict[str, Any]:
        """The attribute `preprocessing` of a feature file."""
        return {
            "size": list(self.size),
            "resize": "squash",
            "interpolation": self.interpolation,
            "antialias": True,
            "mean": list(self.mean),
            "std": list(self.std),
            "colour": RULES,
        }


@dataclass(frozen=True)
class Config:
    """name: the attribute `encoder` of a feature file; model: an open_clip model config."""

    name: str
    model: dict[str, Any]
    preprocessing: Preprocessing


def read_config(encoder: str, weights: str) -> Config:
    """The config of an open_clip model name, or in a .json file as open_clip and the hub write it.

    The image is always resized to the encoder's size without keeping its aspect ratio. Mean, standard deviation and
    filter are those of the named weights, else those of the model's published weights where these agree, else CLIP's.
    """
    if encoder.endswith(".json"):
        content = read_json(encoder)
        if not isinstance(content, dict):
            raise UserError(f"{encoder}: not an open_clip model config; it must be a JSON object")
        return _config(
            Path(encoder).stem, content.get("model_cfg", content), content.get("preprocess_cfg", {}), encoder
        )
    from open_clip import get_model_config, list_models

    name = encoder.replace("/", "-")
    if name not in list_models():
        near = ", ".join(difflib.get_close_matches(name, list_models(), n=4, cutoff=0))
        raise UserError(
            f"--encoder {encoder}: not an open_clip model and not a .json file; the nearest names are {near} "
            "(open_clip.list_models() lists all)"
        )
    return _config(name, get_model_config(name), _published(name, weights), name)


def _config(name: str, model: Any, overlay: dict[str, Any], source: str) -> Config:
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    vision = model.get("vision_cfg") if isinstance(model, dict) else None
    if not isinstance(vision, dict) or "embed_dim" not in model or not _is_size(vision.get("image_size")):
        raise UserError(f"{source}: not an open_clip model config; it needs embed_dim and vision_cfg with image_size")
    wanted = merge_preprocess_dict(PreprocessCfg(), overlay)
    for key in ("mean", "std"):
        values = wanted[key]
        if len(values) != 3 or not all(isinstance(value, int | float) for value in values):
            raise UserError(f"{source}: {key} is {values}; it must be three numbers, one per channel")
    size = model["vision_cfg"]["image_size"]
    height, width = (size, size) if isinstance(size, int) else size
    return Config(
        name,
        model,
        Preprocessing((height, width), tuple(wanted["mean"]), tuple(wanted["std"]), wanted["interpolation"]),
    )


def _is_size(size: Any) -> bool:
    sides = size if isinstance(size, list | tuple) and len(size) == 2 else (size,)
    return all(type(side) is int and side > 0 for side in sides)


def _published(name: str, weights: str) -> dict[str, Any]:
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    if known := get_pretrained_cfg(name, weights):
        return known
    every = [get_pretrained_cfg(name, tag) for tag in list_pretrained_tags_by_model(name)]
    wanted = [{key: each.get(key) for key in ("mean", "std", "interpolation")} for each in every]
    return wanted[0] if wanted and all(each == wanted[0] for each in wanted) else {}
