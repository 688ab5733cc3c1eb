"""Read single rows of a data set, directly from the file where HDF5 stores them uncompressed."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from vlhyper.errors import UserError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Rows(Protocol):
    def read_into(self, out: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> None:
        """Fill `out[indices]`, each (tokens, width), with the values of `rows`; indices and rows are (k,) integers."""


def open_rows(path: Path, dataset: str, dtype: np.dtype[Any]) -> Rows:
    """Open the rows of `dataset` in `path`: read without HDF5 where uncompressed and of `dtype`, else through HDF5."""
    file = open_hdf5(path)
    data = file[dataset]
    offsets = plain_offsets(data) if data.dtype == dtype else None
    if offsets is None:
        return _LibraryRows(path, data)
    shape = data.shape[1:]
    file.close()
    return _PlainRows(path, offsets, shape, dtype)


def open_hdf5(path: Path) -> h5py.File:
    """Open `path` for reading. Raises UserError where it is not a complete HDF5 file."""
    # A file may be compressed with one of these filters; the import registers them.
    import hdf5plugin  # noqa: F401

    try:
        if path.is_dir():
            raise UserError(f"{path}: is a folder; give the feature file, such as {path / 'features.h5'}")
        return _open(path)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; make feature files with `vlhyper extract IMAGES --out {path}`"
        ) from None
    except PermissionError:
        raise UserError(f"{path}: permission denied; make the file readable") from None
    except OSError as error:
        if not path.stat().st_size:
            raise UserError(f"{path}: the file is empty; extract or copy it again") from None
        if not _has_signature(path):
            raise UserError(f"{path}: not an HDF5 file; give the .h5 file with the features") from None
        raise UserError(f"{path}: not a complete HDF5 file ({error}); extract or copy it again") from None


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except OSError:
        # A feature file is complete before it gets its name: no lock is needed, and NFS and Lustre may have none.
        return h5py.File(path, "r", locking=False)


def _has_signature(path: Path) -> bool:
    """Whether HDF5's mark is where its format allows it: at the start, at 512 bytes, or at a double of it."""
    with path.open("rb") as file:
        size, offset = os.fstat(file.fileno()).st_size, 0
        while offset < size:
            file.seek(offset)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            offset = max(512, 2 * offset)
    return False


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


class _PlainRows:
    """Rows copied from the memory-mapped file; without a file position, so threads and forked children can share it."""

    def __init__(self, path: Path, offsets: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.offsets, self.size = offsets, int(np.prod(shape)) * dtype.itemsize
        # Reading a mapped file beyond its end kills the process, so this is checked first.
        if self.offsets.max(initial=0) + self.size > path.stat().st_size:
            raise UserError(f"{path}: truncated, the file ends within its rows; extract or copy it again")
        with path.open("rb") as file:
            self.content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)

    def read_into(self, out: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> None:
        # One plain loop over bytes: for narrow rows anything more would cost more than the copy.
        content, size, target = self.content, self.size, out.reshape(-1).view(np.uint8).reshape(len(out), self.size)
        for index, start in zip(indices.tolist(), self.offsets[rows].tolist(), strict=True):
            target[index] = content[start : start + size]


class _LibraryRows:
    """Rows read through HDF5, for filtered data and other dtypes."""

    def __init__(self, path: Path, data: h5py.Dataset) -> None:
        self.path = path
        self.data = data

    def read_into(self, out: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> None:
        for index, row in zip(indices.tolist(), rows.tolist(), strict=True):
            try:
                self.data.read_direct(out[index : index + 1], np.s_[row : row + 1])
            except OSError as error:
                raise UserError(
                    f"{self.path}: row {row} cannot be read ({error}); extract or copy the file again"
                ) from None
