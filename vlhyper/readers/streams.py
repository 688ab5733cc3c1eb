"""Files read record by record, never whole: JSON, JSON lines, lines of text; each may be packed by gzip.

Every stream yields records in file order and turns what is wrong with the file into one line that names it.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from vlhyper.errors import UserError, first_few
from vlhyper.files import MOST_BYTES, parse_json
from vlhyper.readers.fields import FieldError
from vlhyper.readers.members import TOO_DEEP, BrokenFile, Members, NoSuchList, members, split
from vlhyper.readers.opening import MOST_BLANKS, TooLarge, content_of, first_of, opened
from vlhyper.wording import named

ID_KEYS = ("question_id", "qa_id", "pairID", "cocoid", "id", "index", "image_id")
# What decoding raises for bytes that are no JSON, no UTF-8, or nested past Python's limit.
NO_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Decode = Callable[[bytes], Any]
Found = TypeVar("Found")


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause the garbage collector: records hold no cycles, and looking for some takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_rows(path: Path | str, records: Iterable[Any], shape: Callable[[Any], Iterable[Found]]) -> Iterator[Found]:
    """What `shape` finds in each record. Raises UserError that names the file and the record at fault.

    Records count from 1.
    """
    for number, record in enumerate(records, start=1):
        try:
            yield from shape(record)
        except FieldError as error:
            said = f"{record_name(record, number)} {error}"
            raise UserError(f"{path}: {said}; correct the record, or is this the wrong file?") from None
        except UserError:
            raise
        # A reader that takes something for granted: the record is at fault all the same.
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            said = f"{record_name(record, number)} cannot be read ({type(error).__name__}: {error})"
            raise UserError(f"{path}: {said}; correct the record, or is this the wrong file?") from error


def record_name(record: Any, number: int) -> str:
    """`record 12 (question_id 458752000)`: how a person finds it again; members of an object are named by their key."""
    if isinstance(record, tuple):
        return f"record {number} ({named(record[0])})"
    keys = record if isinstance(record, dict) else ()
    id = next((f" ({key} {named(record[key])})" for key in ID_KEYS if key in keys), "")
    return f"record {number}{id}"


def json_items(path: Path, key: str | None = None, form: Any = Any, strict: bool = False) -> Iterator[Any]:
    """The members of the list at the top of a JSON file, or of the list under its top-level `key`.

    `form` may be a TypedDict: of a record that has its fields, the others are not decoded. `strict` decodes all of
    each record and refuses one in which a key is there twice.
    """
    opening, meant = ("[", "a list") if key is None else ("{", f"an object with the list {key!r}")
    decode = _whole if strict else msgspec.json.Decoder(list[form]).decode
    with _opened_json(path, opening, meant) as file:
        yield from _records(path, members(file, key), b"[%b]", decode)


def json_members(path: Path, form: Any = Any, strict: bool = False) -> Iterator[tuple[str, Any]]:
    """Key and value of each member of the object at the top of a JSON file; arguments as for `json_items`."""
    decode = _whole if strict else msgspec.json.Decoder(dict[str, form]).decode
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
        raise UserError(f"{path}: has no list {error.key!r}; its keys are {keys}; is this the wrong file?") from None
    except _Refused as error:
        raise UserError(f"{path}: record {count + 1}: {error}") from None
    except BrokenFile as error:
        raise UserError(f"{path}: broken off or not JSON after record {count}: {error}; fetch it again") from None


class _Refused(BrokenFile):
    """A record that is JSON and cannot be taken as it is."""


def _whole(text: bytes) -> Any:
    """All of a JSON text, as Python reads it. Raises _Refused for a key that is there twice in one object."""
    try:
        return parse_json(text.decode())
    except json.JSONDecodeError as error:
        raise BrokenFile(error.msg) from None
    except UnicodeDecodeError:
        raise _Refused("not UTF-8; save the file as UTF-8") from None
    except ValueError as error:
        raise _Refused(_refusal(error)) from None


def _refusal(error: ValueError) -> str:
    """What `parse_json` found wrong with JSON that is well formed."""
    if type(error) is ValueError:
        return "a number has thousands of digits; correct it"
    return f"duplicate key {named(error)!r} in one object; keep one of them"


def _decoded(piece: Members, frame: bytes, decode: Decode) -> Iterable[Any]:
    try:
        found = decode(frame % piece.text)
    except (*NO_JSON, BrokenFile):
        found = []
    # Duplicate keys leave fewer. Whatever is unusual goes one by one, so that the record can be named.
    return _listed(found) if len(found) == piece.number else _one_by_one(piece.text, frame, decode)


def _one_by_one(text: bytes, frame: bytes, decode: Decode) -> Iterator[Any]:
    for member in split(text):
        if not member.strip():
            raise BrokenFile("nothing before or after a comma")
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


def json_value(path: Path) -> Any:
    """The whole value of a JSON file. Raises UserError that names the file."""
    return parsed_json(content_of(path), path)


def parsed_json(content: bytes, path: Path) -> Any:
    """The value of JSON that was read from `path`. Raises UserError that names it."""
    try:
        with no_collection():
            return parse_json(content.decode())
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except json.JSONDecodeError as error:
        position = f"line {error.lineno} column {error.colno}"
        raise UserError(f"{path}: not JSON: {error.msg} at {position}; correct it or write it again") from None
    except ValueError as error:
        raise UserError(f"{path}: {_refusal(error)}") from None
    except RecursionError:
        raise UserError(f"{path}: {TOO_DEEP}; give another one") from None


@contextmanager
def _opened_json(path: Path, opening: str, meant: str) -> Iterator[BinaryIO]:
    """The file at its first bracket, which must be the one the format wants."""
    with opened(path) as file:
        begin = file.tell()
        first = first_of(file)
        if first != opening:
            found = {"": "is empty", "[": "is a list", "{": "is an object"}.get(first, "is not a JSON file")
            raise UserError(f"{path}: {found}; this format is {meant}")
        file.seek(begin)
        yield file


def json_lines(path: Path) -> Iterator[Any]:
    """One JSON value a line; empty lines are skipped. A key that is there twice is refused."""
    for number, line in text_lines(path):
        if line.strip():
            try:
                yield parse_json(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise UserError(
                    f"{path}: line {number} is not JSON: {error}; correct it or fetch the file again"
                ) from None
            except ValueError as error:
                raise UserError(f"{path}: line {number}: {_refusal(error)}") from None


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and line. Only the newline byte ends a line: texts hold U+2028, form feeds and the like."""
    with opened(path) as file:
        blanks = 0
        for number, line in enumerate(iter(partial(file.readline, MOST_BYTES + 1), b""), start=1):
            blanks = blanks + len(line) if line.isspace() else 0
            if len(line) > MOST_BYTES:
                raise TooLarge(f"line {number}")
            if blanks > MOST_BLANKS:
                raise TooLarge(f"a run of blank lines up to line {number}", MOST_BLANKS)
            try:
                yield number, line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise UserError(f"{path}: line {number} is not UTF-8; save the file as UTF-8") from None
