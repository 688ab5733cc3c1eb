"""The numbers a hypernetwork is built from, and how many parameters that makes, without torch.

Letters as in makers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlhyper.model.kinds import ADAPTER_BLOCKS, BLOCKS, PREFIX_BLOCKS, places
from vlhyper.model.shapes import T5Shape


@dataclass(frozen=True)
class HyperSizes:
    """Sizes of a `HyperMaker`."""

    shape: T5Shape
    sides: tuple[str, ...]  # "task", "visual"
    blocks: tuple[str, ...]  # block types that get weights
    tasks: int
    length: int  # N
    channels: int  # d_v
    embedding_width: int  # d_τ
    projector_width: int  # m
    hyper_width: int  # d_I
    bottleneck: int  # r

    def parameters(self) -> dict[str, int]:
        """Trained parameters of each part (design.md section 4)."""
        embedding = self.length * self.embedding_width
        prefix = places(self.shape, [block for block in self.blocks if block in PREFIX_BLOCKS])
        adapters = places(self.shape, [block for block in self.blocks if block in ADAPTER_BLOCKS])
        sides = len(self.sides)
        projector = 3 * self.embedding_width * self.projector_width + self.projector_width * self.hyper_width
        counts = {
            "task embeddings": self.tasks * embedding if "task" in self.sides else 0,
            "layer embeddings": self.shape.layers * embedding,
            "block embeddings": len(BLOCKS) * embedding,
            "visual mapping": self.channels * self.embedding_width if "visual" in self.sides else 0,
            "projectors": sides * projector,
            "prefix hypernetworks": sides * 2 * self.hyper_width * self.shape.inner if prefix else 0,
            "adapter hypernetworks": (
                sides * 2 * self.hyper_width * self.bottleneck * self.shape.d_model if adapters else 0
            ),
            "adapter scales": sides * len(adapters),
        }
        return {part: count for part, count in counts.items() if count}
