"""Sites: where in a backbone something is added, without torch.

A site is a block at a layer: one of three kinds of attention, one of two feed-forwards, one of the four linear maps of
an attention, or the encoder's input (paper section 3.1; docs/method.md, "Sites").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from vlhyper.errors import UserError, nearest
from vlhyper.model.families import FAMILIES
from vlhyper.model.sizes import Size


class Site(NamedTuple):
    """Block `block` at layer `layer` (from 0)."""

    block: str
    layer: int


ATTENTION = ("encoder_self", "decoder_self", "decoder_cross")
FEED_FORWARD = ("encoder_ff", "decoder_ff")
INPUT = ("input",)
# The maps of an attention from and to the model's width: queries, keys, values and output.
QUERY, KEY, VALUE, OUTPUT = (tuple(f"{block}_{part}" for block in ATTENTION) for part in "qkvo")
LINEAR = (*QUERY, *KEY, *VALUE, *OUTPUT)
# The stack of each block: there is a site at each of its layers. The encoder's input is a single site.
STACKS: dict[str, str] = {
    "input": "",
    "encoder_self": "encoder",
    "decoder_self": "decoder",
    "decoder_cross": "decoder",
    "encoder_ff": "encoder",
    "decoder_ff": "decoder",
    **{block: block.partition("_")[0] for block in LINEAR},
}


def sites(size: Size, blocks: Iterable[str]) -> list[Site]:
    """Every site of the named blocks in a backbone of this size, block by block.

    The linear maps of an attention that shares another's have no sites. Raises UserError for an unknown block, one that
    this family of backbones lacks, and for a duplicate one.
    """
    family = FAMILIES[size.family]
    layers = {"": 1, "encoder": size.encoder_layers, "decoder": size.decoder_layers}
    found: list[Site] = []
    for block in blocks:
        if block not in STACKS:
            raise UserError(f"unknown block {block!r}{nearest(block, STACKS)}")
        if any(site.block == block for site in found):
            raise UserError(f"duplicate block {block!r}: two parts put the same form there; remove it from one of them")
        if block in family.shared_maps:
            continue
        if block not in (*INPUT, *family.modules):
            raise UserError(f"{family.title} has no block {block!r}; it has {', '.join((*INPUT, *family.modules))}")
        found += [Site(block, layer) for layer in range(layers[STACKS[block]])]
    return found
