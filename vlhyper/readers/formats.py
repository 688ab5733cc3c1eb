"""The table of file layouts: what files each is made of, what text its rows hold, who reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vlhyper.readers.coco import read_captions, read_karpathy
from vlhyper.readers.fields import Row
from vlhyper.readers.gqa import read_gqa
from vlhyper.readers.snli_ve import read_snli_ve
from vlhyper.readers.source import Source
from vlhyper.readers.table import read_table
from vlhyper.readers.visual_genome import read_visual_genome
from vlhyper.readers.vl_t5 import read_vl_t5
from vlhyper.readers.vqa import read_vqa


@dataclass(frozen=True)
class Format:
    """`roles` a split's files must have, `optional` ones it may; `texts` are the text columns of its rows.

    `options` are the manifest's settings the format knows, those in `required` it cannot do without.
    """

    read: Callable[[Source], Iterator[Row]]
    roles: tuple[str, ...]
    texts: tuple[str, ...]
    optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


QUESTION = ("question",)

FORMATS = {
    "vqa": Format(read_vqa, ("questions",), QUESTION, ("annotations", "karpathy"), ("answers", "subset")),
    "vl-t5": Format(read_vl_t5, ("questions",), QUESTION),
    "gqa": Format(read_gqa, ("questions",), QUESTION),
    "visual-genome": Format(read_visual_genome, ("questions",), QUESTION),
    "coco-captions": Format(read_captions, ("annotations",), ()),
    "karpathy": Format(read_karpathy, ("annotations",), (), options=("subset",), required=("subset",)),
    "snli-ve": Format(read_snli_ve, ("annotations",), ("hypothesis",)),
    "table": Format(
        read_table,
        (),
        (),
        ("table",),
        ("fields", "labels", "round_labels", "header", "short_lines", "hub"),
        ("fields",),
    ),
}
