"""The table of file layouts: what files each is made of, what text its rows hold, who reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vlhyper.readers.coco import read_captions, read_karpathy
from vlhyper.readers.fields import Row
from vlhyper.readers.gqa import read_gqa
from vlhyper.readers.multiple_choice import read_multiple_choice
from vlhyper.readers.opening import head_keys, starts_with
from vlhyper.readers.references import is_references, read_references
from vlhyper.readers.snli_ve import read_snli_ve
from vlhyper.readers.source import Source
from vlhyper.readers.table import read_table
from vlhyper.readers.visual_genome import read_visual_genome
from vlhyper.readers.vl_t5 import read_vl_t5
from vlhyper.readers.vqa import read_vqa
from vlhyper.readers.vqa_records import is_vqa_records, read_vqa_records


@dataclass(frozen=True)
class Format:
    """`roles` a split's files must have, `optional` ones it may; `texts` are the text columns of its rows.

    `options` are the manifest's settings the format knows, those in `required` it cannot do without. `truth` is the
    role of the files that say what is right (the first of its roles unless set); `recognises` tells by the content
    whether a file is one of these, where a scorer takes several formats.
    """

    read: Callable[[Source], Iterator[Row]]
    roles: tuple[str, ...]
    texts: tuple[str, ...]
    optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    truth: str = ""
    recognises: Callable[[Path], bool] | None = None

    @property
    def truth_role(self) -> str:
        return self.truth or (self.roles + self.optional)[0]


QUESTION = ("question",)


def _is_list(path: Path) -> bool:
    return starts_with(path, "[")


def _is_karpathy(path: Path) -> bool:
    return starts_with(path, "{") and {"images", "sentences"} <= head_keys(path)


FORMATS = {
    "vqa": Format(
        read_vqa,
        ("questions",),
        QUESTION,
        ("annotations", "karpathy", "vocabulary"),
        ("answers", "subset"),
        truth="annotations",
    ),
    "vl-t5": Format(read_vl_t5, ("questions",), QUESTION, recognises=_is_list),
    "vqa-records": Format(read_vqa_records, ("questions",), QUESTION, recognises=is_vqa_records),
    "multiple-choice": Format(read_multiple_choice, ("questions",), ("question", "choices"), options=("subset",)),
    "gqa": Format(read_gqa, ("questions",), QUESTION),
    "visual-genome": Format(read_visual_genome, ("questions",), QUESTION),
    "coco-captions": Format(read_captions, ("annotations",), ()),
    "karpathy": Format(
        read_karpathy, ("annotations",), (), options=("subset",), required=("subset",), recognises=_is_karpathy
    ),
    "references": Format(read_references, ("annotations",), (), ("images",), recognises=is_references),
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
