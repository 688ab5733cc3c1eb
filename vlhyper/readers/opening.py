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
from vlhyper.files import MOST_BYTES, existing_file

BOM = b"\xef\xbb\xbf"
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
# How xz, zstd and bzip2 files begin.
OTHER_PACKINGS = re.compile(rb"\xfd7zX|\x28\xb5\x2f\xfd|BZh[1-9]1AY&SY", re.DOTALL)
# Blanks that may stand between two records, and how much larger than its file gzip's content may be. Texts of data sets
# shrink to a thirtieth at most, a file made to fill the memory to a thousandth.
MOST_BLANKS, MOST_GROWTH = 4_000_000, 100
BLOCK = 1 << 21
_KEY = re.compile(rb'"([^"\\]{1,60})"\s*:')


class TooLarge(Exception):
    """A record, a text, a number or a run of blanks is larger than any that is meant."""

    def __init__(self, what: str, most: int = MOST_BYTES) -> None:
        super().__init__(f"{what} has more than {most / 1e6:.0f} MB; is this the right file, and whole?")


class Growth:
    """Watches the blocks of a file for texts, numbers and blanks without end, long before they fill the memory."""

    def __init__(self) -> None:
        self.token = self.blanks = 0

    def watch(self, block: bytes) -> None:
        """Raises TooLarge."""
        self.blanks = self.blanks + len(block) if block.isspace() else 0
        if self.blanks > MOST_BLANKS:
            raise TooLarge("a run of blanks", MOST_BLANKS)
        self.token = 0 if any(sign in block for sign in (b'"', b",", b"\n")) else self.token + len(block)
        if self.token > MOST_BYTES:
            raise TooLarge("a single text or number")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file behind its byte-order mark, unpacked where it is packed by gzip."""
    try:
        plain = existing_file(path).open("rb")
    except OSError as error:
        raise unreadable(path, error) from None
    with plain:
        try:
            # A pipe cannot be wound back.
            packed = cast(BinaryIO, plain if plain.seekable() else io.BytesIO(whole(plain)))
            start = packed.read(10)
            packed.seek(0)
            if start.startswith(ZIP):
                raise UserError(f"{path}: is a zip archive; unpack it and name the file that was in it")
            if OTHER_PACKINGS.match(start):
                raise UserError(f"{path}: this is a compressed file; unpack it first")
            file = cast(BinaryIO, gzip.GzipFile(fileobj=packed)) if start.startswith(GZIP) else packed
            if file.read(len(BOM)) != BOM:
                file.seek(0)
            yield file
        except TooLarge as error:
            raise UserError(f"{path}: {error}") from None
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
    growth = Growth()
    for block in iter(lambda: file.read(4096), b""):
        if start := block.lstrip():
            return start[:1].decode("latin-1")
        growth.watch(block)
    return ""


def head_keys(path: Path) -> set[str]:
    """The keys of JSON objects near the beginning of a file."""
    with opened(path) as file:
        return {key.decode("utf-8", "replace") for key in _KEY.findall(file.read(1 << 16))}


def content_of(path: Path) -> bytes:
    """The bytes of a file behind its byte-order mark, unpacked where it is packed by gzip."""
    with opened(path) as file:
        packed = path.stat().st_size if isinstance(file, gzip.GzipFile) and path.is_file() else None
        return whole(file, packed)


def whole(file: BinaryIO, packed: int | None = None) -> bytes:
    """All bytes from here on. Raises TooLarge where they are a bomb.

    packed: the size of the file in which gzip packed them.
    """
    growth, blocks, size = Growth(), [], 0
    while block := file.read(BLOCK):
        growth.watch(block)
        blocks.append(block)
        size += len(block)
        if packed is not None and size > max(MOST_BYTES, MOST_GROWTH * packed):
            raise TooLarge(f"what gzip packed to {packed / 1e6:.1f} MB", size)
    try:
        return b"".join(blocks)
    except MemoryError:
        raise TooLarge("the file, too large for this machine's memory,", size) from None


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
