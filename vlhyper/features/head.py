"""The head of a feature file: whose rows it holds, how they were made, and in which files they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from vlhyper.errors import UserError
from vlhyper.features.apart import Crash, apart
from vlhyper.features.hdf5 import data_set, reading, require_floats, texts
from vlhyper.features.layout import read_meta
from vlhyper.features.raw_rows import State
from vlhyper.wording import shown


@dataclass(frozen=True)
class Segment:
    """`count` consecutive rows of the set in one file, starting at row `first` of the file."""

    path: Path
    first: int
    count: int


class Head(NamedTuple):
    """What a file says of itself: shape is (tokens, width), states those of the files that hold its rows."""

    meta: dict[str, Any]
    ids: list[str]
    segments: list[Segment]
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    states: dict[Path, State]


def read_head(path: Path) -> Head:
    """Ids, provenance and shape of a feature file. Raises UserError that names the file and what is wrong with it."""
    try:
        return next(iter(apart(lambda: [_read_head(path)])))
    except Crash as crash:
        raise UserError(f"{path}: damaged ({crash}); extract or copy it again") from None


def _read_head(path: Path) -> Head:
    with reading(path) as file:
        meta = read_meta(file.attrs, path)
        if "ids" not in file or "features" not in file:
            raise UserError(f"{path}: /ids or /features is missing; extract or copy the file again")
        features = data_set(file, "features", mapped=True)
        require_floats(features)
        if features.ndim != 3 or file["ids"].shape != features.shape[:1] or 0 in features.shape[1:]:
            raise UserError(
                f"{path}: /ids {file['ids'].shape} and /features {features.shape} do not match (images, tokens, "
                "width); extract or copy the file again"
            )
        ids = texts(file, "ids")
        checksums_of(file)
        segments = _segments(path, features, ids)
        states = {segment.path: State.of(segment.path) for segment in segments}
        return Head(meta, ids, segments, features.shape[1:], features.dtype, states)


def _segments(path: Path, features: h5py.Dataset, ids: list[str]) -> list[Segment]:
    """The files that hold the rows: a logical file is read through its shards, as fast as a single file."""
    if not features.is_virtual:
        return [Segment(path, 0, len(features))]
    found = sorted((_part(path, features, source) for source in features.virtual_sources()), key=lambda part: part[0])
    done = 0
    for begin, segment in found:
        if begin != done:
            break
        done += segment.count
        _require_ids(path, segment, ids[begin:done])
    if done != len(features):
        raise UserError(f"{path}: row {done} is in no shard, or in two; join the shards again with `vlhyper merge`")
    return [segment for _, segment in found]


def _part(path: Path, features: h5py.Dataset, source: Any) -> tuple[int, Segment]:
    """The first row of a mapped part of `features`, and where its rows are."""
    name, (low, high) = source.file_name, source.vspace.get_select_bounds()
    # A shard mapped as a whole has no bounds until HDF5 opens it.
    whole = source.src_space.get_select_type() == h5py.h5s.SEL_ALL
    first = 0 if whole else source.src_space.get_select_bounds()[0][0]
    count = high[0] - low[0] + 1
    rows = source.vspace.get_select_npoints() == count * math.prod(features.shape[1:])
    if not rows or source.dset_name.strip("/") != "features":
        raise UserError(f"{path}: is not made of whole rows of its shards' features; join them with `vlhyper merge`")
    # A file of features leads to its neighbours alone, not to any file that is named in it.
    if Path(name).name != name:
        raise UserError(f"{path}: its shard {shown(name)} is not the name of a file beside it; put the shards there")
    if not (path.parent / name).is_file():
        raise UserError(f"{path}: its shard {path.parent / name} is missing; put it back, or extract again")
    return low[0], Segment(path.parent / name, first, count)


def _require_ids(path: Path, segment: Segment, ids: list[str]) -> None:
    """Raises UserError where a shard was made anew since the file over it was written."""
    with reading(segment.path) as shard:
        if "ids" in shard and texts(shard, "ids")[segment.first : segment.first + segment.count] != ids:
            raise UserError(
                f"{path}: its shard {segment.path} now has other images; run the extraction again, or `vlhyper merge`"
            )


def checksums(path: Path) -> np.ndarray:
    """The checksum of each row, (images,) int64; -1 where the file has no checksums."""
    with reading(path) as file:
        return checksums_of(file)


def checksums_of(file: h5py.File) -> np.ndarray:
    """`checksums` of a file that is open. Raises UserError where they are not one number for each image."""
    shape = file["ids"].shape
    if "crc32" not in file:
        return np.full(shape, -1)
    data = data_set(file, "crc32")
    if data.dtype.kind != "u" or data.shape != shape:
        raise UserError(f"{file.filename}: /crc32 {data.shape} does not fit /ids {shape}; extract or copy it again")
    return data[:].astype(np.int64)
