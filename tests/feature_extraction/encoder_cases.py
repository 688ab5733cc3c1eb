"""A small encoder with random weights, and how a test runs it through the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from feature_extraction.towers import build_tower
from vlhyper.cli import run

CONFIG = {"embed_dim": 32, "vision_cfg": {"image_size": 64, "layers": [1, 2, 1, 1], "width": 16, "patch_size": None}}


@dataclass(frozen=True)
class Tiny:
    """An encoder on disk: `config` and `weights` are the files, `state` its tensors as open_clip names them."""

    config: Path
    weights: Path
    state: dict[str, torch.Tensor]

    def extract(self, *arguments: object) -> None:
        run(["extract", *map(str, arguments), "--encoder", str(self.config), "--weights", str(self.weights)])


def save_tiny(folder: Path) -> Tiny:
    config, weights = folder / "tiny.json", folder / "tiny.safetensors"
    config.write_text(json.dumps(CONFIG))
    state = {f"visual.{key}": value for key, value in random_tower(CONFIG).state_dict().items()}
    save_file({key: value for key, value in state.items() if "attnpool" not in key}, weights)
    return Tiny(config, weights, state)


def random_tower(model: dict) -> torch.nn.Module:
    """A tower whose batch norms do something, as those of a trained one do."""
    torch.manual_seed(0)
    tower = build_tower(model)
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return tower


def save_images(folder: Path) -> Path:
    """Eleven readable images and two that are not, in `folder`/images."""
    images = folder / "images"
    images.mkdir()
    for number in range(11):
        noise(number).save(images / f"{number:02}.png")
    (images / "03b.jpg").write_bytes(b"no image")
    (images / "07b.jpg").write_bytes(b"")
    return images


def noise(seed: int, width: int = 50, height: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
