"""The names of places, without torch: five block types, each at every layer (design.md section 2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from vlhyper.model.shapes import T5Shape


class Block(NamedTuple):
    """A block type b_j."""

    row: int  # its row in the table of block embeddings
    kind: str  # what enters there: prefix or adapter
    stack: str  # encoder or decoder


class Place(NamedTuple):
    """Block type `block` at layer `layer` (from 0)."""

    block: str
    layer: int


BLOCKS: dict[str, Block] = {
    "encoder_self": Block(0, "prefix", "encoder"),
    "decoder_self": Block(1, "prefix", "decoder"),
    "decoder_cross": Block(2, "prefix", "decoder"),
    "encoder_ff": Block(3, "adapter", "encoder"),
    "decoder_ff": Block(4, "adapter", "decoder"),
}
PREFIX_BLOCKS = tuple(name for name, block in BLOCKS.items() if block.kind == "prefix")
ADAPTER_BLOCKS = tuple(name for name, block in BLOCKS.items() if block.kind == "adapter")


def places(shape: T5Shape, blocks: Iterable[str]) -> list[Place]:
    """Every place of the named block types in a T5 of these sizes, block by block."""
    layers = {"encoder": shape.encoder_layers, "decoder": shape.decoder_layers}
    return [Place(name, layer) for name in blocks for layer in range(layers[BLOCKS[name].stack])]
