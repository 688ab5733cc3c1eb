"""METEOR's paraphrase table, cut down to what a set of captions can use.

It runs as a program: `python -m vlhyper.metrics.captions.paraphrases`.

METEOR reads its table of 5.3 million pairs again in every process, for six seconds of CPU. A pair counts only where one
of its phrases occurs in a caption and the other in a reference, so the pairs of which a phrase occurs in no text are
left out; 3 % stay for 150,000 captions of COCO, and every alignment is what it was.

METEOR cuts texts into words by rules of its own. To leave out nothing that it could find, phrases and texts are
compared as runs of the letters a to z, two runs at a time; a dot by itself joins two runs, as in "p.m.", where
those rules join them.
"""

from __future__ import annotations

import functools
import gzip
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path

LONE_DOT = re.compile(rb"(?<!\.)\.(?!\.)")
LETTERS = bytes(byte if byte in b"abcdefghijklmnopqrstuvwxyz" else 32 for byte in range(256))
# What METEOR's rules replace with something that has letters: entities, and its own mark for several dots.
REPLACED = re.compile(rb"&(quot|apos|lt|gt|amp);|dotmulti")
# A block's lines stay in the processor's cache.
BLOCK = 32_768
Entry = tuple[bytes, bytes, bytes]


def cut_table(table: Path, texts: Iterable[bytes], out: Path) -> None:
    """Write the entries of METEOR's table (.gz) both phrases of which may occur in the lower-case UTF-8 texts."""
    occurs = occurring(texts)
    with gzip.open(out, "wb", compresslevel=1) as file:
        previous, wanted = b"", False
        for probability, phrase, other in chain.from_iterable(_entries(table)):
            # The entries of a phrase follow each other.
            if phrase != previous:
                previous, wanted = phrase, occurs(phrase)
            if wanted and occurs(other):
                file.write(b"%b\n%b\n%b\n" % (probability, phrase, other))


def occurring(texts: Iterable[bytes]) -> Callable[[bytes], bool]:
    """A function that tells of a phrase whether it may occur in the texts; it is True for some that do not."""
    runs: set[bytes] = set()
    pairs: set[tuple[bytes, bytes]] = set()
    for text in texts:
        if REPLACED.search(text):
            return lambda _: True
        found = letter_runs(text)
        runs.update(found)
        pairs.update(pairwise(found))

    def occurs(phrase: bytes) -> bool:
        found = letter_runs(phrase)
        return runs.issuperset(found) and pairs.issuperset(pairwise(found))

    return occurs


def letter_runs(text: bytes) -> list[bytes]:
    """The runs of letters of a lower-case text, which METEOR's rules neither join nor cut."""
    if b"." in text:
        text = LONE_DOT.sub(b"", text)
    return text.translate(LETTERS).split()


def _entries(table: Path) -> Iterator[Iterable[Entry]]:
    """The entries block by block: probability, phrase and its paraphrase are a line each."""
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    rest = b""
    with table.open("rb") as file:
        for block in iter(functools.partial(file.read, BLOCK), b""):
            lines = (rest + inflate.decompress(block)).split(b"\n")
            whole = (len(lines) - 1) // 3 * 3
            rest = b"\n".join(lines[whole:])
            yield zip(lines[0:whole:3], lines[1:whole:3], lines[2:whole:3], strict=True)


def main() -> None:
    """Arguments: the table, a file with a text a line, and the file to write."""
    table, texts, out = map(Path, sys.argv[1:])
    with texts.open("rb") as file:
        cut_table(table, file, out)


if __name__ == "__main__":
    main()
