"""Read single rows of a data set, directly from the file where HDF5 stores them uncompressed."""

from __future__ import annotations

import mmap
import os
import weakref
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np

from vlhyper.errors import UserError
from vlhyper.features.hdf5 import FAULTS, data_set, open_hdf5, reading, require_floats, said


class Rows(Protocol):
    def read_into(self, out: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> None:
        """Fill `out[indices]`, each (tokens, width), with the values of `rows`; indices and rows are (k,) integers."""


class State(NamedTuple):
    """By what a file is known again: a file put in its place is another one, and one that is written to changes."""

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, file: Path | int) -> State:
        """Of a path, or of a file that is open under this number."""
        found = file.stat() if isinstance(file, Path) else os.fstat(file)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def open_rows(path: Path, dataset: str, count: int, shape: tuple[int, ...], dtype: np.dtype[Any], state: State) -> Rows:
    """Open the first `count` rows of `dataset` in `path`, read without HDF5 where uncompressed and of `dtype`.

    Raises UserError where they are not of this shape, or the file is not in this `state` any more.
    """
    if path.exists():
        require_state(path, State.of(path), state)
    with reading(path) as file:
        data = data_set(file, dataset)
        require_floats(data)
        if data.shape[1:] != shape or len(data) < count:
            raise UserError(
                f"{path}: {data.name} is {data.shape}, not {(count, *shape)} as the other data sets say; extract or "
                "copy it again"
            )
        offsets = plain_offsets(data) if data.dtype == dtype else None
    rows = _LibraryRows(path, dataset) if offsets is None else _PlainRows(path, offsets, shape, dtype)
    rows.state = state
    rows.require_same()
    return rows


def plain_offsets(data: h5py.Dataset) -> np.ndarray | None:
    """The file offset of each row, (rows,) int64; None where rows are filtered, share a chunk or have several."""
    row_bytes = int(np.prod(data.shape[1:])) * data.dtype.itemsize
    if data.is_virtual or data.external or data.id.get_create_plist().get_nfilters():
        return None
    if data.chunks is None:
        start = data.id.get_offset()
        return None if start is None else start + row_bytes * np.arange(len(data), dtype=np.int64)
    if data.chunks != (1, *data.shape[1:]):
        return None
    offsets = np.full(len(data), -1, dtype=np.int64)

    def note(chunk: Any) -> None:
        # A shortened data set may keep chunks beyond its end.
        if chunk.chunk_offset[0] < len(offsets):
            offsets[chunk.chunk_offset[0]] = chunk.byte_offset

    data.id.chunk_iter(note)
    return offsets if (offsets >= 0).all() else None


class _Watched:
    """Rows of an open file; reading notices a change of the file, under which ids and rows would not fit any more."""

    path: Path
    number: int
    state: State

    def require_same(self) -> None:
        require_state(self.path, State.of(self.number), self.state)


def require_state(path: Path, now: State, before: State) -> None:
    """Raises UserError for a file that was changed."""
    if now != before:
        raise UserError(
            f"{path}: was changed or replaced while it was in use; start the same command again (a run resumes from "
            "its last checkpoint)"
        )


class _PlainRows(_Watched):
    """Rows copied from the memory-mapped file; without a file position, so threads and forked children can share it."""

    def __init__(self, path: Path, offsets: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.offsets, self.size = path, offsets, int(np.prod(shape)) * dtype.itemsize
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self.number)
        # Reading a mapped file beyond its end kills the process, so this is checked first.
        if self.offsets.max(initial=0) + self.size > os.fstat(self.number).st_size:
            raise UserError(f"{path}: truncated, the file ends within its rows; extract or copy it again")
        self.content = np.frombuffer(mmap.mmap(self.number, 0, access=mmap.ACCESS_READ), np.uint8)

    def read_into(self, out: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> None:
        self.require_same()
        # One plain loop over bytes: for narrow rows anything more would cost more than the copy.
        content, size, target = self.content, self.size, out.reshape(-1).view(np.uint8).reshape(len(out), self.size)
        for index, start in zip(indices.tolist(), self.offsets[rows].tolist(), strict=True):
            target[index] = content[start : start + size]


class _LibraryRows(_Watched):
    """Rows read through HDF5, for filtered data and other dtypes."""

    def __init__(self, path: Path, dataset: str) -> None:
        self.path = path
        self.data = open_hdf5(path)[dataset]
        self.number = self.data.file.id.get_vfd_handle()

    def read_into(self, out: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> None:
        self.require_same()
        for index, row in zip(indices.tolist(), rows.tolist(), strict=True):
            try:
                self.data.read_direct(out[index : index + 1], np.s_[row : row + 1])
            except FAULTS as error:
                raise UserError(
                    f"{self.path}: row {row} cannot be read ({said(error)}); extract or copy the file again"
                ) from None
