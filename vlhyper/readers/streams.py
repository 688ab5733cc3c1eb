"""Files read record by record, never whole: JSON, JSON lines, lines of text; each may be packed by gzip.

Every stream yields records in file order and turns what is wrong with the file into one line that names it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from vlhyper.errors import UserError, first_few
from vlhyper.files import existing_file
from vlhyper.readers.fields import FieldError, Row
from vlhyper.readers.members import TOO_DEEP, BrokenFile, Members, NoSuchList, members, split

BOM = b"\xef\xbb\xbf"
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
ID_KEYS = ("question_id", "qa_id", "pairID", "cocoid", "id", "index", "image_id")
# What decoding raises for bytes that are no JSON, no UTF-8, or nested past Python's limit.
NO_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Decode = Callable[[bytes], Any]


def read_rows(path: Path | str, records: Iterable[Any], shape: Callable[[Any], Iterable[Row]]) -> Iterator[Row]:
    """The rows `shape` finds in each record. Raises UserError that names the file and the record at fault."""
    for number, record in enumerate(records, start=1):
        try:
            yield from shape(record)
        except FieldError as error:
            said = f"{record_name(record, number)} {error}"
            raise UserError(f"{path}: {said}; mend the record, or is it another file?") from None


def record_name(record: Any, number: int) -> str:
    """`record 12 (question_id 458752000)`: how a person finds it again; members of an object are named by their key."""
    if isinstance(record, tuple):
        return f"record {number} ({record[0]})"
    keys = record if isinstance(record, dict) else ()
    named = next((f" ({key} {record[key]})" for key in ID_KEYS if key in keys), "")
    return f"record {number}{named}"


def json_items(path: Path, key: str | None = None, form: Any = Any) -> Iterator[Any]:
    """The members of the list at the top of a JSON file, or of the list under its top-level `key`.

    `form` may be a TypedDict: of a record that has its fields, the others are not decoded.
    """
    opening, meant = ("[", "a list") if key is None else ("{", f"an object with the list {key!r}")
    decode = msgspec.json.Decoder(list[form]).decode
    with _opened_json(path, opening, meant) as file:
        yield from _records(path, members(file, key), b"[%b]", decode)


def json_members(path: Path, form: Any = Any) -> Iterator[tuple[str, Any]]:
    """Key and value of each member of the object at the top of a JSON file; `form` as for `json_items`."""
    decode = msgspec.json.Decoder(dict[str, form]).decode
    with _opened_json(path, "{", "an object with one member a record") as file:
        yield from _records(path, members(file), b"{%b}", decode)


def _records(path: Path, pieces: Iterator[Members], frame: bytes, decode: Decode) -> Iterator[Any]:
    """The records of all pieces; a fault of the JSON becomes a UserError that says after which record."""
    count = 0
    try:
        for piece in pieces:
            for record in _decoded(piece, frame, decode):
                yield record
                count += 1
    except NoSuchList as error:
        keys = first_few(error.keys, 6) or "none"
        raise UserError(f"{path}: has no list {error.key!r}; its keys are {keys}; is it another file?") from None
    except BrokenFile as error:
        raise UserError(f"{path}: broken off or not JSON after record {count}: {error}; fetch it again") from None


def _decoded(piece: Members, frame: bytes, decode: Decode) -> Iterable[Any]:
    try:
        found = decode(frame % piece.text)
    except NO_JSON:
        found = []
    # A key that stands twice leaves fewer. Whatever is unusual goes one by one, so that the record can be named.
    return _listed(found) if len(found) == piece.number else _one_by_one(piece.text, frame, decode)


def _one_by_one(text: bytes, frame: bytes, decode: Decode) -> Iterator[Any]:
    for member in split(text):
        if not member.strip():
            raise BrokenFile("nothing stands before or behind a comma")
        try:
            yield from _listed(_lenient(frame % member, decode))
        except RecursionError:
            raise BrokenFile(TOO_DEEP) from None
        except NO_JSON as error:
            raise BrokenFile(str(error).removeprefix("JSON is malformed: ")) from None


def _lenient(text: bytes, decode: Decode) -> Any:
    """Whole where it has not the form that is wanted; the reader that wants it says what is lacking."""
    try:
        return decode(text)
    except msgspec.ValidationError:
        return msgspec.json.decode(text)


def _listed(found: Any) -> Iterable[Any]:
    return list(found.items()) if isinstance(found, dict) else found


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file behind its byte-order mark, unpacked where it is packed by gzip."""
    with existing_file(path).open("rb") as packed:
        start = packed.read(len(ZIP))
        packed.seek(0)
        if start == ZIP:
            raise UserError(f"{path}: is a zip archive; unpack it and name the file that was in it")
        file = cast(BinaryIO, gzip.GzipFile(fileobj=packed)) if start.startswith(GZIP) else packed
        try:
            if file.read(len(BOM)) != BOM:
                file.seek(0)
            yield file
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise UserError(f"{path}: what gzip packed is broken off or damaged; fetch it again") from None


@contextmanager
def _opened_json(path: Path, opening: str, meant: str) -> Iterator[BinaryIO]:
    """The file at its first bracket, which must be the one the format wants."""
    with _opened(path) as file:
        begin = file.tell()
        # Block by block, for nothing limits the blanks a file may begin with.
        start = next((block for block in iter(lambda: file.read(4096), b"") if block.strip()), b"")
        first = start.lstrip()[:1].decode("latin-1")
        if first != opening:
            found = {"": "is empty", "[": "holds a list", "{": "holds an object"}.get(first, "is no JSON file")
            raise UserError(f"{path}: {found}; this format wants {meant}")
        file.seek(begin)
        yield file


def json_lines(path: Path) -> Iterator[Any]:
    """One JSON value a line; empty lines are passed over."""
    for number, line in text_lines(path):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                # Of a number with too many digits Python goes on to say how a programmer lifts the limit.
                said = str(error).split(";")[0]
                raise UserError(f"{path}: line {number} is not JSON: {said}; mend it or fetch the file again") from None


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and line. Only the newline byte ends a line: texts hold U+2028, form feeds and the like."""
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                yield number, line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise UserError(f"{path}: line {number} is not UTF-8; save the file as UTF-8") from None
