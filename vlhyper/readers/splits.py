"""How the paper cuts its data sets (paper section 4.1), written once for readers and scorers.

A part is chosen by the rank of a hash of the row's id, so it depends on the ids and the seed alone: not on the order of
the file, on the library that shuffles, or on the machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from vlhyper.errors import UserError, nearest

# restval are the images of COCO val2014 that the split's author gave to training; leaving them out costs 30,504 images.
KARPATHY = {"train": ("train", "restval"), "val": ("val",), "test": ("test",)}
PARTS = ("first-half", "second-half", "held-out", "all-but-held-out")


def karpathy_names(subset: str) -> tuple[str, ...]:
    """What dataset_coco.json calls the images of a split."""
    if subset not in KARPATHY:
        raise UserError(f"subset {subset!r} is not a Karpathy split{nearest(subset, KARPATHY)}")
    return KARPATHY[subset]


def part_of(ids: Sequence[str], part: str, seed: int = 0, held_out: int = 1000) -> list[int]:
    """Indices, ascending, of the rows in a part.

    Of an odd number the second half has one more; `held-out` are `held_out` rows, `all-but-held-out` the others.
    """
    if part not in PARTS:
        raise UserError(f"unknown part {part!r}{nearest(part, PARTS)}")
    if part.endswith("held-out") and held_out >= len(ids):
        raise UserError(f"cannot hold out {held_out} of {len(ids)} rows; set held_out to fewer")
    cut = len(ids) // 2 if part.endswith("half") else held_out
    order = sorted(range(len(ids)), key=lambda index: _rank(ids[index], seed))
    return sorted(order[:cut] if part in ("first-half", "held-out") else order[cut:])


def drawn(ids: Sequence[str], shots: int, seed: int) -> list[int]:
    """Indices, ascending, of `shots` rows for few-shot training: a function of the ids and the seed alone.

    Rows are drawn whatever their answers, as HyperFormer draws them, and fewer shots are a part of more shots.
    """
    order = sorted(range(len(ids)), key=lambda index: _rank(f"shots\0{ids[index]}", seed))
    return sorted(order[:shots])


def _rank(id: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{id}".encode(), digest_size=16).digest()
