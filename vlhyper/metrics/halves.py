"""Halves of a data set, chosen by a hash of each id: the ones that few-shot runs validate and test on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from vlhyper.errors import UserError, nearest

HALVES = ("first", "second")


def half_of(ids: Sequence[int | str], which: str, seed: int = 0) -> list[int]:
    """The indices, ascending, of the ids in the first or second half; the second has one more of an odd number."""
    if which not in HALVES:
        raise UserError(f"unknown half {which!r}{nearest(which, HALVES)}")
    order = sorted(
        range(len(ids)), key=lambda row: hashlib.blake2b(f"{seed}\0{ids[row]}".encode(), digest_size=16).digest()
    )
    middle = len(ids) // 2
    return sorted(order[:middle] if which == "first" else order[middle:])
