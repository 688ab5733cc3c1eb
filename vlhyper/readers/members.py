"""Cut a JSON file of any size into texts of whole records, without decoding them.

A file is read block by block. Counting brackets outside texts tells where one record ends and the next begins, so a
block of thousands of records can go to a decoder at once, and no more than a block and a record are held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from vlhyper.files import MOST_BYTES
from vlhyper.readers.opening import BLOCK, Growth, TooLarge

if TYPE_CHECKING:
    import numpy as np

DEEPEST, TOO_DEEP = 900, "nested too deeply to be a file of this kind"
QUOTE, COMMA, OPENING, CLOSING = 1, 2, 3, 4
_MEANT = {'"': QUOTE, ",": COMMA, "[": OPENING, "{": OPENING, "]": CLOSING, "}": CLOSING}
_KINDS = bytes(_MEANT.get(chr(code), 0) for code in range(256))
_STEPS = (0, 0, 0, 1, -1)
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_KEY = re.compile(rb'"([^"\\]*)"\s*:\s*$')
# What of the text before a bracket is kept to see the key it belongs to.
_KEY_ROOM = 4096
_MOST_KEYS = 50


class BrokenFile(ValueError):
    """The file is no JSON, or ends too early."""


class NoSuchList(ValueError):
    """The object has no list of the name; `keys` are the lists and objects it has."""

    def __init__(self, key: str, keys: list[str]) -> None:
        super().__init__(key)
        self.key, self.keys = key, keys


class Members(NamedTuple):
    """Whole members of a list or object as they stand in the file, with the commas between them."""

    text: bytes
    number: int


class _Marks(NamedTuple):
    """The quotes, commas and brackets of a block: where, which, and the depth behind each, -1 within texts."""

    positions: np.ndarray
    kinds: np.ndarray
    depths: np.ndarray


class _Scanner:
    """What carries over from block to block: the depth, and whether a text is open."""

    def __init__(self) -> None:
        self.depth, self.quoted = 0, 0

    def marks(self, block: bytes) -> _Marks:
        # Scoring files of the usual form, which need no scanner, starts without it.
        import numpy as np

        if b"\\" in block:
            block = _ESCAPE.sub(b"..", block)
        meant = np.frombuffer(block.translate(_KINDS), np.uint8)
        positions = np.flatnonzero(meant != 0)
        kinds = meant[positions]
        within = (self.quoted + np.cumsum(kinds == QUOTE, dtype=np.int32)) & 1 == 1
        depths = self.depth + np.cumsum(np.where(within, 0, np.array(_STEPS, np.int8)[kinds]), dtype=np.int32)
        if len(positions):
            self.depth, self.quoted = int(depths[-1]), int(within[-1])
            if depths.max() > DEEPEST or depths.min() < 0:
                raise BrokenFile("brackets close that were not opened" if depths.min() < 0 else TOO_DEEP)
        depths[within] = -1
        return _Marks(positions, kinds, depths)


def members(file: BinaryIO, key: str | None = None) -> Iterator[Members]:
    """The members of the list or object that a file is, or of the list under its top-level `key`, in large texts.

    Raises BrokenFile where brackets don't match, the file ends too early or goes on behind its end, NoSuchList, and
    TooLarge for a record without end.
    """
    cutter, growth = _Cutter(None if key is None else key.encode()), Growth()
    while block := _block(file):
        growth.watch(block)
        yield from cutter.feed(block)
    cutter.finish()


def split(piece: bytes) -> list[bytes]:
    """The single members of a text that `members` gave."""
    positions, kinds, depths = _Scanner().marks(piece)
    cuts = [-1, *positions[(kinds == COMMA) & (depths == 0)].tolist(), len(piece)]
    return [piece[start + 1 : end] for start, end in pairwise(cuts)]


def _block(file: BinaryIO) -> bytes:
    """The next block; a backslash and what it escapes stay in one."""
    block = file.read(BLOCK)
    slashes = len(block) - len(block.rstrip(b"\\"))
    return block + file.read(1) if slashes % 2 else block


class _Cutter:
    """Takes blocks, gives members. They are at depth `level`; `rest` is what no mark has ended yet."""

    def __init__(self, key: bytes | None) -> None:
        self.key, self.level = key, 1 if key is None else 2
        self.scanner, self.rest = _Scanner(), b""
        self.bracket = 0  # that opened the members; 0 outside them
        self.begun = self.found = self.ended = False
        self.keys: list[str] = []

    def feed(self, block: bytes) -> Iterator[Members]:
        marks = self.scanner.marks(block)
        text, positions = self.rest + block, marks.positions + len(self.rest)
        start, commas = 0, positions[(marks.kinds == COMMA) & (marks.depths == self.level)]
        for position in positions[_borders(marks, self.level)].tolist():
            if text[position] in b"[{":
                self._open(text[max(0, position - _KEY_ROOM) : position], text[position])
            elif self.bracket:
                yield from self._members(
                    text[start:position], commas[(commas >= start) & (commas < position)], last=True
                )
                self._close(text[position])
            start = position + 1
        if self.bracket and len(commas) and commas[-1] >= start:
            yield from self._members(text[start : commas[-1]], commas[commas >= start][:-1], last=False)
            start = int(commas[-1]) + 1
        self._end(block, marks.positions[(marks.kinds == CLOSING) & (marks.depths == 0)])
        self.rest = text[start:] if self.bracket else text[-_KEY_ROOM:]
        if len(self.rest) > MOST_BYTES:
            raise TooLarge("a single record")

    def _open(self, before: bytes, bracket: int) -> None:
        if self.key is None:
            self.bracket = bracket
        elif named := _KEY.search(before):
            self.keys += [named[1].decode("utf-8", "replace")] if len(self.keys) < _MOST_KEYS else []
            self.bracket = bracket if named[1] == self.key and bracket == ord("[") else 0
        self.found = self.found or self.bracket > 0
        self.begun = False

    def _members(self, text: bytes, commas: np.ndarray, last: bool) -> Iterator[Members]:
        # Nothing at all between the brackets is no member; nothing behind a comma is one, and wrong.
        if not last or self.begun or text.strip():
            yield Members(text, len(commas) + 1)
        self.begun = True

    def _close(self, bracket: int) -> None:
        if bracket != self.bracket + 2:
            raise BrokenFile(f"{chr(self.bracket)} is closed by {chr(bracket)}")
        self.bracket = 0

    def _end(self, block: bytes, ends: np.ndarray) -> None:
        behind = block if self.ended else block[ends[0] + 1 :] if len(ends) else b""
        if behind.strip():
            raise BrokenFile("there is something after the end")
        self.ended = self.ended or len(ends) > 0

    def finish(self) -> None:
        if self.scanner.depth or self.scanner.quoted:
            raise BrokenFile("the file ends too early")
        if self.key is not None and not self.found:
            raise NoSuchList(self.key.decode(), self.keys)


def _borders(marks: _Marks, level: int) -> np.ndarray:
    """Where brackets open or close a list or object whose members lie at `level`."""
    import numpy as np

    opened = (marks.kinds == OPENING) & (marks.depths == level)
    closed = (marks.kinds == CLOSING) & (marks.depths == level - 1)
    return np.flatnonzero(opened | closed)
