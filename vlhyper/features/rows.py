"""Reading single rows of one data set, straight from the disk where HDF5 stores them as they are."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from vlhyper.errors import UserError


class Rows(Protocol):
    def read_into(self, out: np.ndarray, places: np.ndarray, rows: np.ndarray) -> None:
        """Fill `out[places]`, each (tokens, width), with the values of `rows`; places and rows are (k,) integers."""


def open_rows(path: Path, dataset: str, dtype: np.dtype[Any]) -> Rows:
    """Rows of `dataset` in `path`: read past HDF5 when they lie there uncompressed and of `dtype`, else through it."""
    file = open_hdf5(path)
    data = file[dataset]
    offsets = plain_offsets(data) if data.dtype == dtype else None
    if offsets is None:
        return _LibraryRows(path, data)
    shape = data.shape[1:]
    file.close()
    return _PlainRows(path, offsets, shape, dtype)


def open_hdf5(path: Path) -> h5py.File:
    """`path` for reading. Raises UserError where it is no whole HDF5 file."""
    # Any file may be compressed by one of these filters; importing registers them.
    import hdf5plugin  # noqa: F401

    try:
        if path.is_dir():
            raise UserError(f"{path}: this is a folder; a feature file is a file, such as {path / 'features.h5'}")
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise UserError(f"{path}: no such feature file; make it with `vlhyper extract IMAGES --out {path}`") from None
    except OSError as error:
        raise UserError(f"{path}: not a whole HDF5 file ({error}); make or copy it again") from None


def plain_offsets(data: h5py.Dataset) -> np.ndarray | None:
    """Where each row starts in the file, (rows,) int64; None where rows are filtered, shared or spread over chunks."""
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
        # A file that was shortened may keep chunks behind its end.
        if chunk.chunk_offset[0] < len(offsets):
            offsets[chunk.chunk_offset[0]] = chunk.byte_offset

    data.id.chunk_iter(note)
    return offsets if (offsets >= 0).all() else None


class _PlainRows:
    """Rows copied out of the mapped file; no file position, so threads and forked children may share it."""

    def __init__(self, path: Path, offsets: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.offsets, self.size = offsets, int(np.prod(shape)) * dtype.itemsize
        # Reading a mapped file behind its end kills the process, so that is looked for first.
        if self.offsets.max(initial=0) + self.size > path.stat().st_size:
            raise UserError(f"{path}: the file ends inside its rows; it was cut short: make or copy it again")
        with path.open("rb") as file:
            self.content = np.frombuffer(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), np.uint8)

    def read_into(self, out: np.ndarray, places: np.ndarray, rows: np.ndarray) -> None:
        # As bytes in one plain loop: for narrow rows the steps in between would cost more than the copy.
        content, size, target = self.content, self.size, out.reshape(-1).view(np.uint8).reshape(len(out), self.size)
        for place, start in zip(places.tolist(), self.offsets[rows].tolist(), strict=True):
            target[place] = content[start : start + size]


class _LibraryRows:
    """The way through HDF5, for filtered data and for other number types."""

    def __init__(self, path: Path, data: h5py.Dataset) -> None:
        self.path = path
        self.data = data

    def read_into(self, out: np.ndarray, places: np.ndarray, rows: np.ndarray) -> None:
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            try:
                self.data.read_direct(out[place : place + 1], np.s_[row : row + 1])
            except OSError as error:
                raise UserError(
                    f"{self.path}: row {row} can't be read ({error}); make or copy the file again"
                ) from None
