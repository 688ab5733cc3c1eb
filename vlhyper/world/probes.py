"""Linear probes of the miniature CLIP's grid, at the cell that contains the centre of a thing."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from open_clip.modified_resnet import ModifiedResNet
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from vlhyper.world.pictures import pixels
from vlhyper.world.scene import UNSEEN_PAIRS, Scene, Thing, draw_scene

CELLS = 7
ATTRIBUTES = ("color", "shape", "size", "place")


@torch.inference_mode()
def grid(visual: ModifiedResNet, images: Tensor) -> Tensor:
    """Pictures (n, 3, 224, 224) → the map before attention pooling (n, 49, channels), row by row."""
    visual.eval()
    features = visual.stem(images)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        features = layer(features)
    return features.flatten(2).transpose(1, 2)


def cell_of(thing: Thing) -> int:
    return int(thing.y * CELLS) * CELLS + int(thing.x * CELLS)


def probe(visual: ModifiedResNet, seed: int = 0, scenes: int = 1500) -> dict[str, dict[str, float]]:
    """Accuracy by attribute, on new things of seen pairs and on things of unseen pairs.

    The probes are fitted on scenes without unseen pairs.
    """
    fitted, labels = _rows(visual, _scenes(f"fitted {seed}", scenes, unseen=False))
    tests = {
        "seen": _rows(visual, _scenes(f"seen {seed}", scenes // 3, unseen=False)),
        "unseen": _rows(visual, _scenes(f"unseen {seed}", scenes // 3, unseen=True), UNSEEN_PAIRS),
    }
    found: dict[str, dict[str, float]] = {name: {} for name in tests}
    for attribute in ATTRIBUTES:
        classifier = make_pipeline(StandardScaler(), RidgeClassifier(alpha=100.0))
        classifier.fit(fitted, [getattr(thing, attribute) for thing in labels])
        for name, (rows, things) in tests.items():
            found[name][attribute] = round(classifier.score(rows, [getattr(t, attribute) for t in things]), 3)
    return found


def _scenes(seed: str, count: int, unseen: bool) -> list[Scene]:
    rng = Random(seed)
    return [draw_scene(rng, unseen=unseen) for _ in range(count)]


def _rows(
    visual: ModifiedResNet, scenes: Sequence[Scene], pairs: Sequence[tuple[str, str]] | None = None
) -> tuple[np.ndarray, list[Thing]]:
    """The cells (things, channels) of all things, or of those of the given pairs."""
    rng, rows, things = Random(0), [], []
    for start in range(0, len(scenes), 50):
        part = scenes[start : start + 50]
        for cells, scene in zip(grid(visual, pixels(part, rng)), part, strict=True):
            for thing in scene:
                if pairs is None or thing.pair in pairs:
                    rows.append(cells[cell_of(thing)].numpy())
                    things.append(thing)
    return np.stack(rows), things
