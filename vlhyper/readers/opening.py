"""Files opened: behind their byte-order mark, unpacked where gzip packed them, told apart by how they begin."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from vlhyper.errors import UserError
from vlhyper.files import existing_file

BOM = b"\xef\xbb\xbf"
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
# How xz and zstd files begin.
OTHER_PACKINGS = (b"\xfd7zX", b"\x28\xb5\x2f\xfd")
_KEY = re.compile(rb'"([^"\\]{1,60})"\s*:')


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file behind its byte-order mark, unpacked where it is packed by gzip."""
    try:
        plain = existing_file(path).open("rb")
    except OSError as error:
        raise unreadable(path, error) from None
    with plain:
        # A pipe cannot be wound back.
        packed = cast(BinaryIO, plain if plain.seekable() else io.BytesIO(plain.read()))
        start = packed.read(len(ZIP))
        packed.seek(0)
        if start == ZIP:
            raise UserError(f"{path}: is a zip archive; unpack it and name the file that was in it")
        if start.startswith(OTHER_PACKINGS):
            raise UserError(f"{path}: this is a compressed file; unpack it first")
        file = cast(BinaryIO, gzip.GzipFile(fileobj=packed)) if start.startswith(GZIP) else packed
        try:
            if file.read(len(BOM)) != BOM:
                file.seek(0)
            yield file
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise UserError(f"{path}: damaged or cut off within its gzip data; fetch it again") from None


def starts_with(path: Path, bracket: str) -> bool:
    """Whether the first character of a file that is no blank is this one."""
    return first_character(path) == bracket


def first_character(path: Path) -> str:
    """The first character of a file that is no blank; empty where there is none, or the file is a pipe."""
    if not path.is_file():
        return ""
    with opened(path) as file:
        return first_of(file)


def first_of(file: BinaryIO) -> str:
    """The first character from here on that is no blank; empty where there is none."""
    # Block by block, for nothing limits the blanks a file may begin with.
    start = next((block for block in iter(lambda: file.read(4096), b"") if block.strip()), b"")
    return start.lstrip()[:1].decode("latin-1")


def head_keys(path: Path) -> set[str]:
    """The keys of JSON objects near the beginning of a file."""
    with opened(path) as file:
        return {key.decode("utf-8", "replace") for key in _KEY.findall(file.read(1 << 16))}


def content_of(path: Path) -> bytes:
    """The bytes of a file behind its byte-order mark, unpacked where it is packed by gzip."""
    with opened(path) as file:
        return file.read()


def unreadable(path: str | os.PathLike[str], error: OSError) -> UserError:
    """What is said of a file or folder that the system does not let us read."""
    return UserError(f"{path}: cannot be read ({error.strerror}); give one that you may read")


def folder_files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that fit a pattern, by name; none that begin with a dot.

    Other systems leave files of their own beside those they copy: ._train.json.
    """
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"{folder}: this folder cannot be read; give one that you may read")
    return sorted(file for file in folder.glob(pattern) if not file.name.startswith("."))
