"""CLIPScore and RefCLIPScore from the vectors that a CLIP gives images and texts. No torch here: the CLIP is given.

CLIPScore is w · max(cos(image, caption), 0) with w = 2.5; RefCLIPScore is its harmonic mean with the highest cosine of
the caption and a reference. Captions and references are embedded behind the words "A photo depicts ".
Source: Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image Captioning" (2021), equations 1 and 2,
and jmhessel/clipscore, clipscore.py (1036465), whose highest cosine may be negative, where the paper has 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from numpy import ndarray

WEIGHT = 2.5
PROMPT = "A photo depicts "


class Embedder(Protocol):
    """A CLIP, such as `feature_extraction.clip.load_clip` gives."""

    name: str
    precision: str

    def texts(self, texts: Sequence[str]) -> ndarray:
        """Unit vectors of texts, shape (texts, width)."""

    def images(self, paths: Sequence[Path]) -> ndarray:
        """Unit vectors of image files, shape (paths, width)."""


def clip_scores(
    clip: Embedder, images: Sequence[Path], captions: Sequence[str], references: Sequence[Sequence[str]] | None = None
) -> tuple[list[float], list[float]]:
    """CLIPScore and RefCLIPScore of each caption, × 100; without references no RefCLIPScore. All run in step.

    RefCLIPScore is 0 where CLIPScore and the highest cosine are 0, where the authors' program has no number.
    """
    import numpy as np

    given = _texts(clip, captions)
    cosines = np.sum(clip.images(images) * given, axis=1)
    scores = [float(score) for score in WEIGHT * np.clip(cosines, 0, None)]
    found = []
    if references is not None:
        ends = np.cumsum([len(texts) for texts in references])[:-1]
        known = np.split(_texts(clip, [text for texts in references for text in texts]), ends)
        best = [float(np.max(those @ caption)) for caption, those in zip(given, known, strict=True)]
        pairs = zip(scores, best, strict=True)
        found = [2 * score * cosine / (score + cosine) if score + cosine else 0.0 for score, cosine in pairs]
    return [100 * score for score in scores], [100 * score for score in found]


def _texts(clip: Embedder, texts: Sequence[str]) -> ndarray:
    return clip.texts([PROMPT + text for text in texts])
