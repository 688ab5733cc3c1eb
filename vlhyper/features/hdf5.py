"""HDF5 files opened, and what of them is read: data sets stored whole in the file itself, of the kind that is meant.

HDF5 follows links, mappings and raw storage into any other file, gives zeros for rows that were never written, and
allocates whatever a header speaks of. So all of this is looked at before a value is read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from vlhyper.errors import UserError
from vlhyper.wording import named

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# All that h5py raises for a damaged file.
FAULTS = (KeyError, OSError, RuntimeError, TypeError, ValueError, AttributeError, OverflowError, MemoryError)
# Bytes of a row and of a chunk. A row has some hundred thousand, and what packs into a small file may be endless.
MOST_ROW, MOST_CHUNK = 64_000_000, 1 << 30
# Bytes of an id of fixed length: it is the name of a file.
LONGEST = 4096


def open_hdf5(path: Path) -> h5py.File:
    """Open `path` for reading. Raises UserError where it is not a complete HDF5 file."""
    # A file may be compressed with one of these filters; the import registers them.
    import hdf5plugin  # noqa: F401

    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "a device or a pipe"
            raise UserError(f"{path}: is {what}; give the feature file, such as {path / 'features.h5'}")
        return _open(path)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; make feature files with `vlhyper extract IMAGES --out {path}`"
        ) from None
    except PermissionError:
        raise UserError(f"{path}: permission denied; make the file readable") from None
    except OSError as error:
        if not path.exists():
            raise UserError(f"{path}: cannot be read ({error.strerror or error}); give another file") from None
        if not path.stat().st_size:
            raise UserError(f"{path}: the file is empty; extract or copy it again") from None
        if not _has_signature(path):
            raise UserError(f"{path}: not an HDF5 file; give the .h5 file with the features") from None
        raise UserError(f"{path}: not a complete HDF5 file ({error}); extract or copy it again") from None


@contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """`path` opened for reading. Whatever HDF5 says of damage becomes a UserError that names the file."""
    try:
        with open_hdf5(path) as file:
            yield file
    except UserError:
        raise
    except FAULTS as error:
        raise UserError(f"{path}: damaged, or not a feature file ({said(error)}); extract or copy it again") from None


def said(error: Exception) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


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


def data_set(group: h5py.Group, name: str, mapped: bool = False) -> h5py.Dataset:
    """A data set that is stored whole in the file of `group`; with `mapped` it may be one that refers to other files.

    Raises UserError that names file and data set.
    """
    where = f"{group.file.filename}: {group.name.rstrip('/')}/{named(name)}"
    data = _member(group, name, where)
    if not isinstance(data, h5py.Dataset) or data.shape is None:
        raise UserError(f"{where} holds no values; extract or copy the file again")
    if data.is_virtual and mapped:
        return data
    if data.is_virtual or data.external:
        raise UserError(f"{where} takes its values from other files, and these are not followed; give those files")
    _require_whole(data, where)
    return data


def sub_group(group: h5py.Group, name: str) -> h5py.Group:
    """A group that is in the file of `group` itself. Raises UserError for a link or a data set."""
    where = f"{group.file.filename}: {group.name.rstrip('/')}/{named(name)}"
    found = _member(group, name, where)
    if not isinstance(found, h5py.Group):
        raise UserError(f"{where} is no group; extract or copy the file again")
    return found


def _member(group: h5py.Group, name: str, where: str) -> object:
    # Before it is opened: the other file of a link may be a pipe that never answers.
    link = group.get(name, getlink=True)
    if link is None:
        raise UserError(f"{where} is missing; extract or copy the file again")
    if not isinstance(link, h5py.HardLink):
        raise UserError(f"{where} is a link to another place, and none is followed; give a file that has the values")
    return group[name]


def _require_whole(data: h5py.Dataset, where: str) -> None:
    """Raises UserError for values that were never written, are cut off, or unpack to more than is meant."""
    layout = data.id.get_create_plist().get_layout()
    lacking = False
    if not data.size:
        return
    if layout == h5py.h5d.CHUNKED:
        wanted = math.prod(-(-length // part) for length, part in zip(data.shape, data.chunks, strict=True))
        lacking = data.id.get_num_chunks() < wanted
        if math.prod(data.chunks) * data.dtype.itemsize > MOST_CHUNK:
            raise UserError(
                f"{where} has chunks of {data.chunks}, too large to read one by one; store it in smaller ones"
            )
    elif layout == h5py.h5d.CONTIGUOUS:
        offset, size = data.id.get_offset(), data.id.get_storage_size()
        lacking = offset is None or offset + size > Path(data.file.filename).stat().st_size
    if lacking:
        raise UserError(f"{where} of shape {data.shape} is not whole: values are lacking; extract or copy it again")


def require_floats(data: h5py.Dataset) -> None:
    """Raises UserError for values of another kind, and for rows larger than any that is meant."""
    where = f"{data.file.filename}: {data.name}"
    if data.dtype.kind != "f":
        raise UserError(f"{where} holds {data.dtype}, not floats; store it as float16 or float32")
    if math.prod(data.shape[1:]) * data.dtype.itemsize > MOST_ROW:
        raise UserError(f"{where} has rows of {data.shape[1:]}, too large for features; is this the right file?")


def texts(group: h5py.Group, name: str) -> list[str]:
    """A list of names. Raises UserError for another kind, and for a name that is empty, no UTF-8, or holds a NUL."""
    data = data_set(group, name)
    where = f"{data.file.filename}: {data.name}"
    kind = h5py.check_string_dtype(data.dtype)
    if kind is None or data.ndim != 1:
        raise UserError(f"{where} is of {data.dtype} {data.shape}, not a list of texts; extract or copy the file again")
    if (kind.length or 0) > LONGEST:
        raise UserError(f"{where} holds texts of {kind.length} bytes; an id is the name of an image")
    values = data[:].tolist()
    try:
        found = [value.decode() for value in values]
    except UnicodeDecodeError:
        row = next(row for row, value in enumerate(values) if value.decode(errors="replace").encode() != value)
        raise UserError(f"{where}: row {row} is no UTF-8; extract or copy the file again") from None
    if odd := [row for row, text in enumerate(found) if not text or "\0" in text]:
        raise UserError(f"{where}: row {odd[0]} is {found[odd[0]]!r}, which is no id; extract or copy the file again")
    return found
