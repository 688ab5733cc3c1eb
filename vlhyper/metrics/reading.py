"""Reading what users hand to a scorer: every fault is one line that names the file, the record and the cure."""

from __future__ import annotations

import gc
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from vlhyper.errors import UserError, first_few
from vlhyper.files import existing_file, read_json

Source = str | os.PathLike[str] | Sequence[Any]
Key = TypeVar("Key", int, str)
# How gzip, zip, xz and zstd files begin.
COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zX", b"\x28\xb5\x2f\xfd")


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause the garbage collector: it would walk millions of fresh records again and again and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def input_file(path: str | os.PathLike[str]) -> Path:
    """A file, or the pipe behind a shell's `<(...)`. Raises UserError for what can't be read, or is compressed.

    Devices and named pipes are refused: one may give bytes without end, the other none for ever.
    """
    try:
        place = existing_file(path)
        if place.is_file():
            with place.open("rb") as file:
                if file.read(4).startswith(COMPRESSED):
                    raise UserError(f"{place}: this is a compressed file; unpack it first")
        elif not place.is_fifo() or place.resolve().exists():
            raise UserError(f"{place}: this is a device or a pipe; give a plain file")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a file that is yours to read") from None
    return place


def load_json(path: str | os.PathLike[str]) -> Any:
    """The value of a JSON file. Raises UserError that names the file."""
    place = input_file(path)
    try:
        with no_collection():
            return read_json(place)
    except UserError:
        raise
    except ValueError:
        raise UserError(f"{path}: not JSON that can be read: a number has thousands of digits; mend it") from None


def name_of(source: object) -> str:
    """How errors call the source: its path, or `predictions` for a list given from Python."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "predictions"


def records_of(source: Source, shape: str) -> list[Any]:
    """The list of records in a file, or the list itself. `shape` shows a right file in the error."""
    value = load_json(source) if isinstance(source, str | os.PathLike) else source
    if not isinstance(value, list | tuple):
        raise UserError(f"{name_of(source)}: holds {kind(value)} where a list of records is needed: {shape}")
    return list(value)


def kind(value: Any) -> str:
    """A JSON value's kind in words."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true/false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def shown(value: Any, most: int = 60) -> str:
    """A value short enough for an error line."""
    if value is None or isinstance(value, bool | float):
        # As the file has them.
        return json.dumps(value)
    text = repr(value) if isinstance(value, str | int) else kind(value)
    return text if len(text) <= most else f"{text[:most]}…"


def named(identifier: Any) -> str:
    """An id or key as it stands where that fits on a line, else quoted and cut."""
    text = str(identifier)
    return text if text.isprintable() and 0 < len(text) <= 60 else shown(identifier)


def some(identifiers: Iterable[Any], most: int = 3) -> str:
    """The first few of many ids."""
    return first_few(map(named, identifiers), most)


def field_of(record: Any, key: str, where: str) -> Any:
    """`record[key]`, or an error that names the place and the keys that are there."""
    if not isinstance(record, dict):
        raise UserError(f"{where}: {kind(record)} where an object with {key!r} is needed")
    if key not in record:
        raise UserError(f"{where}: has no {key!r}; its keys are {some(record, 6) or 'none'}")
    return record[key]


def text_of(value: Any, key: str, where: str) -> str:
    """A text that can be written as UTF-8, or an error."""
    if not isinstance(value, str):
        raise UserError(f"{where}: {key!r} is {shown(value)}; it must be a text, in quotes")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UserError(f"{where}: {key!r} holds half of a surrogate pair; write the file as UTF-8") from None
    return value


def whole_number(value: Any, key: str, where: str) -> int:
    """An id that is a number, also when it is written as a text of digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    raise UserError(f"{where}: {key!r} is {shown(value)}; it must be a whole number")


def text_id(value: Any, key: str, where: str) -> str:
    """An id that is a text; a number would have lost its leading zeros."""
    if not isinstance(value, str):
        raise UserError(f"{where}: {key!r} is {shown(value)}; it must be a text, in quotes")
    return text_of(value, key, where)


def keyed_texts(
    source: Source, id_key: str, text_key: str, as_id: Callable[[Any, str, str], Key], shape: str
) -> dict[Key, str]:
    """Predictions as {id: text}. Raises UserError for a record of another shape and for ids that stand twice."""
    found: dict[Key, str] = {}
    doubled: list[Key] = []
    name = name_of(source)
    for index, record in enumerate(records_of(source, shape)):
        where = f"{name}: record {index}"
        identifier = as_id(field_of(record, id_key, where), id_key, where)
        if identifier in found:
            doubled.append(identifier)
        found[identifier] = text_of(field_of(record, text_key, where), text_key, where)
    if doubled:
        unique = list(dict.fromkeys(doubled))
        raise UserError(
            f"{name}: {len(unique)} ids stand more than once ({id_key} {some(unique)}); keep one record each"
        )
    return found


def match_ids(
    given: Iterable[Key],
    known: Sequence[Key],
    *,
    source: Source,
    against: str,
    partial: bool,
    known_too: Iterable[Key] = (),
) -> list[Key]:
    """The known ids that have a prediction, in the order of `known`.

    Unknown ids are errors, and so are missing ones unless `partial`. `known_too` are ids that may have a prediction and
    are not asked for.
    """
    present = set(given)
    unknown = present.difference(known).difference(known_too)
    if unknown:
        raise UserError(
            f"{name_of(source)}: {len(unknown)} ids are not in {against} ({some(sorted(unknown))}); "
            "give the predictions of this split, or the annotations of theirs"
        )
    scored = [identifier for identifier in known if identifier in present]
    if len(scored) < len(known) and not partial:
        missing = [identifier for identifier in known if identifier not in present]
        raise UserError(
            f"{name_of(source)}: {len(missing)} of {len(known)} have no prediction ({some(missing)}); "
            "predict them, or score what is there with --partial"
        )
    if not scored:
        raise UserError(f"{name_of(source)}: no prediction to score")
    return scored


def without_doubles(ids: list[Key], path: str) -> list[Key]:
    """The ids of a file's records. Raises UserError that names those standing more than once."""
    if len(set(ids)) < len(ids):
        doubled = [identifier for identifier, count in Counter(ids).items() if count > 1]
        raise UserError(f"{path}: {len(doubled)} ids stand more than once ({some(doubled)}); keep one record each")
    return ids


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder stands there; where that can't be told, reading it as a file tells why."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def folder_or_file(path: str | os.PathLike[str], pattern: str) -> list[Path]:
    """The file itself, or the matching files of a folder in the order of their names."""
    place = Path(path)
    if not is_folder(place):
        return [place]
    if not os.access(place, os.R_OK | os.X_OK):
        raise UserError(f"{place}: this folder cannot be read; give one that is yours to read")
    # Other systems leave files of their own beside those they copy: ._train.json.
    files = sorted(file for file in place.glob(pattern) if not file.name.startswith("."))
    if not files:
        raise UserError(f"{place}: this folder holds no {pattern}")
    return files
