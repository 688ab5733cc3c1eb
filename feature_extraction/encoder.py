"""A frozen image encoder of open_clip without its pooling: pixels in, a grid of vectors out."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import nn

from feature_extraction.config import Preprocessing, read_config
from feature_extraction.machine import pick_device
from feature_extraction.naming import for_tower
from feature_extraction.towers import Grid, build_tower, cut, fold_batch_norms
from feature_extraction.weights import QUICK, Weights, find_weights
from vlhyper.errors import UserError, first_few
from vlhyper.tensors import require_finite
from vlhyper.wording import named

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Encoder:
    """name, weights_sha256, preprocessing, precision: attributes of the feature file; device: where `grid` runs.

    files: the `encoder` and the `weights` it was loaded from; the former is a name where it is open_clip's.
    """

    name: str
    weights_sha256: str
    preprocessing: Preprocessing
    precision: str
    grid: Grid
    device: torch.device
    files: Mapping[str, str]

    def __call__(self, pixels: np.ndarray) -> torch.Tensor:
        """(B, height, width, 3) uint8 -> (B, tokens, width) float32, on the encoder's device."""
        with torch.inference_mode():
            # Bytes are copied to the device and become floats there. Channels are last already, the faster layout here.
            images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float().div_(255)
            mean = torch.tensor(self.preprocessing.mean, device=self.device)[:, None, None]
            std = torch.tensor(self.preprocessing.std, device=self.device)[:, None, None]
            return self.grid(images.sub_(mean).div_(std).to(DTYPES[self.precision])).float()

    def shape(self) -> tuple[int, int]:
        """(tokens, width) of an image's grid."""
        _, tokens, width = self(np.zeros((1, *self.preprocessing.size, 3), np.uint8)).shape
        return tokens, width


def load_encoder(encoder: str, weights: str, precision: str = "fp32", trust: bool = False) -> Encoder:
    """Load the encoder a user names: an open_clip model, or a .json file with an open_clip model config.

    Raises UserError where the name is unknown, the weights are not available, or the two do not fit together.
    """
    config = read_config(encoder, weights)
    found = find_weights(config.name, weights, trust)
    # OpenAI and others trained with QuickGELU, and open_clip's plain model names do not say so.
    tower = build_tower(config.model, quick_gelu=found.quick_gelu)
    plain = not found.quick_gelu or config.model.get("quick_gelu") or isinstance(tower, ModifiedResNet)
    name = config.name if plain else f"{config.name}{QUICK}"
    whole = set(tower.state_dict())
    grid = cut(tower)
    _load(tower, whole, found, config.name)
    tower.eval().requires_grad_(False)
    fold_batch_norms(tower)
    device = pick_device()
    tower.to(device, DTYPES[precision], memory_format=torch.channels_last)  # type: ignore[call-overload]
    files = {"encoder": str(Path(encoder).absolute()) if encoder.endswith(".json") else name}
    files["weights"] = str(found.path.absolute())
    return Encoder(name, found.sha256, config.preprocessing, precision, grid, device, files)


def _load(tower: nn.Module, whole: set[str], weights: Weights, name: str) -> None:
    """Load `weights` into the cut `tower`; the weights may also contain other names of the `whole` tower."""
    expected = tower.state_dict()
    given = for_tower(weights.tensors, expected)
    known = fitting(given, expected, whole, weights.path, name, "the --encoder that these weights belong to")
    tower.load_state_dict({**expected, **known})


def fitting(
    given: dict[str, torch.Tensor],
    expected: dict[str, torch.Tensor],
    whole: Container[str],
    path: Path,
    name: str,
    instead: str,
) -> dict[str, torch.Tensor]:
    """Of the tensors `given` those that a module expects.

    Raises UserError, which advises to give something else `instead`, for missing ones, those that are not among the
    `whole` of what the file may hold, and those of another shape, without floats, or with some that are not finite.
    """
    # A counter of training steps: evaluation never reads it, and many files omit it.
    weighty = {key: value for key, value in expected.items() if not key.endswith("num_batches_tracked")}
    known = {key: given[key] for key in weighty if key in given}
    faults = {
        "missing": [key for key in weighty if key not in given],
        "unknown": [named(key) for key in given if key not in whole],
        "of another shape": [
            f"{named(key)} is {tuple(value.shape)}, not {tuple(weighty[key].shape)}"
            for key, value in known.items()
            if value.shape != weighty[key].shape
        ],
        "no floats": [
            f"{named(key)} is {str(value.dtype).removeprefix('torch.')}"
            for key, value in known.items()
            if weighty[key].is_floating_point() and not value.is_floating_point()
        ],
    }
    if found := [f"{fault}: {first_few(keys)}" for fault, keys in faults.items() if keys]:
        raise UserError(f"{path}: not weights of {name} ({'; '.join(found)}); give {instead}")
    require_finite(known, path)
    return known
