"""Files of tensors: safetensors, whose header is checked before anything is loaded. No torch unless it is used.

The library holds names, shapes and offsets of a header against the size of the file, and maps the file into memory, so
that a header which speaks of terabytes costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from safetensors import SafetensorError, safe_open

from vlhyper.errors import UserError, first_few
from vlhyper.files import existing_file
from vlhyper.wording import named, some

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]
FLOATS = ("F64", "F32", "F16", "BF16")


class Entry(NamedTuple):
    """What a header says of a tensor; dtype as safetensors writes it."""

    dtype: str
    shape: Shape


def header(path: str | os.PathLike[str], what: str = "weights") -> dict[str, Entry]:
    """The tensors of a safetensors file by name. Raises UserError for a damaged file, or one that is none."""
    try:
        with safe_open(existing_file(path, what), "np") as file:
            parts = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            return {key: Entry(part.get_dtype(), tuple(part.get_shape())) for key, part in parts.items()}
    except (SafetensorError, OSError, MemoryError) as error:
        raise UserError(f"{path}: damaged or incomplete safetensors file ({error}); copy it again") from None


def load_tensors(path: str | os.PathLike[str], what: str = "weights") -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU. Raises UserError for a damaged file, or one that is none.

    Every one is a finite float: nothing that a model or an optimiser keeps is anything else.
    """
    from safetensors.torch import load_file

    require_floats(header(path, what), path)
    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read ({error}); copy it again") from None
    require_finite(found, path)
    return found


def require_floats(entries: Mapping[str, Entry], path: str | os.PathLike[str]) -> None:
    """Raises UserError that names the tensors of another type."""
    odd = [f"{named(key)} is {entry.dtype}" for key, entry in entries.items() if entry.dtype not in FLOATS]
    if odd:
        raise UserError(f"{path}: {len(odd)} tensors are no floats ({first_few(odd)}); weights must be floats")


def require_finite(tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Raises UserError that names the tensors which hold a NaN or an infinity."""
    if broken := [key for key, value in tensors.items() if not is_finite(value)]:
        raise UserError(
            f"{path}: {len(broken)} tensors hold a NaN or an infinity ({some(broken)}); copy the file again"
        )


def is_finite(value: Tensor) -> bool:
    """Whether a tensor holds no NaN and no infinity, as fp32."""
    if not value.is_floating_point() or not value.numel():
        return True
    # Both are NaN where any number is; ten times as fast as looking at each.
    return all(bound.float().isfinite() for bound in value.aminmax())
