"""A whole CLIP of open_clip: images and texts as unit vectors, as CLIPScore computes them.

Source: Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image Captioning" (2021), and
jmhessel/clipscore, clipscore.py (1036465): the short side resized to the model's size by bicubic interpolation, the
middle cut out, and only then made RGB, so that palettes are resized without smoothing and transparency is dropped;
float16 on a GPU, float32 on a CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from feature_extraction.config import Preprocessing, read_config
from feature_extraction.encoder import DTYPES, fitting
from feature_extraction.images import formats, reason
from feature_extraction.machine import default_workers, pick_device
from feature_extraction.naming import is_transformers_clip
from feature_extraction.weights import NOT_WEIGHTS, QUICK, locate, published_digests, read_state
from vlhyper.console import progress
from vlhyper.errors import UserError
from vlhyper.files import sha256

IMAGES_AT_ONCE, TEXTS_AT_ONCE = 64, 256


class Clip:
    """name, weights_sha256, precision: what embeds; `images` and `texts` embed, each image file once."""

    def __init__(self, model: nn.Module, name: str, weights_sha256: str, how: Preprocessing, context: int) -> None:
        from open_clip.tokenizer import SimpleTokenizer

        self.name, self.weights_sha256, self.how = name, weights_sha256, how
        self.device = pick_device()
        self.precision = "fp32" if self.device.type == "cpu" else "fp16"
        if self.precision == "fp16":
            from open_clip.model import convert_weights_to_lp

            convert_weights_to_lp(model, DTYPES["fp16"])
        self._model: Any = model.to(self.device).eval().requires_grad_(False)
        self._tokenize = SimpleTokenizer(context_length=context)
        self._seen: dict[Path, np.ndarray] = {}

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of texts, shape (texts, width), float32; what is beyond the model's context is cut off."""
        return self._embed("embedding texts", texts, TEXTS_AT_ONCE, self._tokenize, self._model.encode_text)

    def images(self, paths: Sequence[Path]) -> np.ndarray:
        """Unit vectors of image files, shape (paths, width), float32. Raises UserError for one that cannot be read."""
        new = [path for path in dict.fromkeys(paths) if path not in self._seen]
        if new:
            found = self._embed("embedding images", new, IMAGES_AT_ONCE, self._pixels, self._model.encode_image)
            self._seen.update(zip(new, found, strict=True))
        return np.stack([self._seen[path] for path in paths])

    def _embed(self, label: str, items: Sequence[Any], at_once: int, prepare: Any, encode: Any) -> np.ndarray:
        found = []
        with progress(label, len(items)) as bar, torch.inference_mode():
            for batch in _batches(items, at_once):
                vectors = encode(prepare(batch).to(self.device)).cpu().float().numpy()
                found.append(vectors / np.sqrt(np.sum(vectors**2, axis=1, keepdims=True)))
                bar(len(batch))
        return np.concatenate(found)

    def _pixels(self, paths: Sequence[Path]) -> torch.Tensor:
        with ThreadPoolExecutor(default_workers()) as pool:
            cut = torch.from_numpy(np.stack(list(pool.map(lambda path: cut_out(path, self.how), paths))))
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.how.mean, self.how.std))
        images = cut.permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)
        return images.to(DTYPES[self.precision])


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def cut_out(path: Path, how: Preprocessing) -> np.ndarray:
    """The middle of an image, (height, width, 3) uint8. Raises UserError for a file that is no readable image."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    side = min(how.size)
    shape: Callable[[Image.Image], Image.Image] = Compose(
        [Resize(side, InterpolationMode(how.interpolation)), CenterCrop(how.size)]
    )
    try:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata, which changes no pixel.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=formats()) as image:
                return np.asarray(shape(image).convert("RGB"))
    # Decoders raise many kinds of errors for broken files.
    except Exception as error:
        raise UserError(f"{path}: not a readable image ({reason(error, path)}); copy it again") from None


def load_clip(weights: str, model: str = "ViT-B-32") -> Clip:
    """Load the CLIP a user names: an open_clip model, or a .json file with an open_clip model config.

    weights: a file of open_clip's or OpenAI's whole model, or a published tag (then it is downloaded).
    Raises UserError where the name is unknown, the weights are not available, or the two do not fit together.
    """
    config = read_config(model, weights)
    path, quick = locate(config.name, weights, "--clip-weights")
    digest = sha256(path)
    tensors = {key: value for key, value in read_state(path, digest).items() if key not in NOT_WEIGHTS}
    if is_transformers_clip(tensors):
        raise UserError(f"{path}: is a CLIP of transformers; give the file of open_clip or OpenAI")
    quick = quick or digest in published_digests()
    whole = _build(config.model, quick, model)
    expected = whole.state_dict()
    known = fitting(tensors, expected, expected, path, config.name, "the --clip-model that these weights belong to")
    whole.load_state_dict({**expected, **{key: value.float() for key, value in known.items()}})
    name = f"{config.name}{QUICK}" if quick and not config.name.endswith(QUICK) else config.name
    return Clip(whole, name, digest, config.preprocessing, config.model["text_cfg"].get("context_length", 77))


def _build(config: dict[str, Any], quick: bool, name: str) -> nn.Module:
    from open_clip.model import CLIP, CustomTextCLIP

    text = config.get("text_cfg")
    if not isinstance(text, dict) or "hf_model_name" in text or "hf_tokenizer_name" in text:
        raise UserError(
            f"--clip-model {name}: has no text tower with CLIP's own tokenizer; name a CLIP such as ViT-B-32"
        )
    settings = {key: value for key, value in config.items() if key not in ("custom_text", "quick_gelu")}
    kind = CustomTextCLIP if config.get("custom_text") else CLIP
    try:
        return kind(**settings, quick_gelu=quick or config.get("quick_gelu", False))
    # A config from a file may contain anything, and each builder fails in its own way.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"--clip-model {name}: open_clip cannot build it ({reason}); check the config") from error
