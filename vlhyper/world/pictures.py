"""Draw scenes as input tensors of CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor

from vlhyper.world.draw import draw
from vlhyper.world.scene import Scene


def pixels(scenes: Sequence[Scene], rng: Random) -> Tensor:
    """Pictures (n, 3, 224, 224), normalised with the mean and standard deviation of CLIP."""
    array = torch.from_numpy(np.stack([np.asarray(draw(scene, rng)) for scene in scenes]))
    scaled = (array.float() / 255 - torch.tensor(OPENAI_DATASET_MEAN)) / torch.tensor(OPENAI_DATASET_STD)
    return scaled.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
