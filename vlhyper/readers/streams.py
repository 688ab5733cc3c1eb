"""Files read record by record, never whole: JSON through ijson, JSON lines, tab-separated text.

Every stream yields records in file order and turns what is wrong with the file into one line that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vlhyper.errors import UserError, first_few
from vlhyper.files import existing_file
from vlhyper.readers.fields import FieldError, Row

BOM = b"\xef\xbb\xbf"
ID_KEYS = ("question_id", "qa_id", "pairID", "cocoid", "id", "index", "image_id")


def read_rows(path: Path | str, records: Iterable[Any], shape: Callable[[Any], Iterable[Row]]) -> Iterator[Row]:
    """The rows `shape` finds in each record. Raises UserError that names the file and the record at fault."""
    for number, record in enumerate(records, start=1):
        try:
            yield from shape(record)
        except FieldError as error:
            raise UserError(f"{path}: {record_name(record, number)} {error}") from None


def record_name(record: Any, number: int) -> str:
    """`record 12 (question_id 458752000)`: how a person finds it again; members of an object are named by their key."""
    if isinstance(record, tuple):
        return f"record {number} ({record[0]})"
    keys = record if isinstance(record, dict) else ()
    named = next((f" ({key} {record[key]})" for key in ID_KEYS if key in keys), "")
    return f"record {number}{named}"


def json_items(path: Path, key: str = "") -> Iterator[Any]:
    """The members of the list at the top of a JSON file, or of the list under its top-level `key`."""
    import ijson

    with _open_json(path, "{" if key else "[", f"an object with the list {key!r}" if key else "a list") as file:
        records = ijson.items(_Shallow(file, path), f"{key}.item" if key else "item", use_float=True)
        count = yield from _guarded(path, records)
    if key and not count and key not in (keys := _top_level_keys(path)):
        raise UserError(f"{path}: has no {key!r}; its keys are {first_few(keys, 6) or 'none'}; is it another file?")


def json_members(path: Path) -> Iterator[tuple[str, Any]]:
    """Key and value of each member of the object at the top of a JSON file."""
    import ijson

    with _open_json(path, "{", "an object with one member a record") as file:
        yield from _guarded(path, ijson.kvitems(_Shallow(file, path), "", use_float=True))


def _top_level_keys(path: Path) -> list[str]:
    import ijson

    with path.open("rb") as file:
        _skip_bom(file)
        return [name for prefix, event, name in ijson.parse(file) if prefix == "" and event == "map_key"]


def _open_json(path: Path, opening: str, meant: str) -> BinaryIO:
    """The file at its first bracket. ijson yields nothing at all where the outermost bracket is the other one."""
    file = existing_file(path).open("rb")
    _skip_bom(file)
    start = file.tell()
    first = file.read(4096).lstrip()[:1].decode("latin-1")
    if first != opening:
        file.close()
        found = {"": "is empty", "[": "holds a list", "{": "holds an object"}.get(first, "is no JSON file")
        raise UserError(f"{path}: {found}; this format wants {meant}")
    file.seek(start)
    return file


class _Shallow:
    """A file that refuses deep nesting: on 100,000 brackets ijson's parser overruns the stack, which ends Python.

    Brackets are counted a block at a time, those in texts too; they would have to be unbalanced by DEEPEST to matter.
    """

    DEEPEST = 10_000

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path, self.depth = file, path, 0

    def read(self, size: int) -> bytes:
        block = self.file.read(size)
        opened = block.count(b"[") + block.count(b"{")
        self.depth = max(0, self.depth + opened - block.count(b"]") - block.count(b"}"))
        if self.depth > self.DEEPEST:
            raise UserError(f"{self.path}: nested too deeply to be a file of this kind")
        return block


def _skip_bom(file: BinaryIO) -> None:
    if file.read(len(BOM)) != BOM:
        file.seek(0)


def _guarded(path: Path, records: Iterator[Any]) -> Generator[Any, None, int]:
    """The records, and at the end how many; a fault of the JSON becomes a UserError that says after which record."""
    import ijson

    count = 0
    try:
        for record in records:
            count += 1
            yield record
        return count
    except ijson.IncompleteJSONError as error:
        # yajl reports a file that ends too early and a wrong character in it by the same class.
        said = re.split(r"\s*\n", str(error).strip())[0]
        raise UserError(f"{path}: broken off or not JSON after record {count}: {said}; fetch it again") from None
    except (ijson.JSONError, UnicodeDecodeError) as error:
        said = re.split(r"\s*\n", str(error).strip())[0]
        raise UserError(f"{path}: not JSON after record {count}: {said}") from None


def json_lines(path: Path) -> Iterator[Any]:
    """One JSON value a line; empty lines are passed over."""
    for number, line in text_lines(path):
        if line.strip():
            try:
                yield json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise UserError(f"{path}: line {number} is not JSON: {error}") from None


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and line. Only the newline byte ends a line: texts hold U+2028, form feeds and the like."""
    with existing_file(path).open("rb") as file:
        _skip_bom(file)
        for number, line in enumerate(file, start=1):
            try:
                yield number, line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise UserError(f"{path}: line {number} is not UTF-8; save the file as UTF-8") from None
