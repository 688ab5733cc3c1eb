"""Captions as people have them: {id: [references]}, {id: reference}, records of image and caption, or one a line.

Flickr8k (`Flickr8k.token.txt`: image, `#`, number, tab, caption; `captions.txt`: a table) and Flickr30k (`results.csv`,
cells between bars; `results_20130124.token`) are such files. An image is known by the name of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.readers.coco import file_names
from vlhyper.readers.fields import FieldError, Row, any_id, make_row, number_id, present, value, whole_text
from vlhyper.readers.gold import Gold
from vlhyper.readers.images import without_ending
from vlhyper.readers.opening import first_character, head_keys
from vlhyper.readers.records import any_records, cells_of, is_json_lines, listed
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_members, read_rows, text_lines
from vlhyper.wording import kind, some

IMAGE_KEYS = ("image_id", "image", "image_name", "file_name", "filename", "img_id", "id", "cocoid")
CAPTION_KEYS = ("caption", "captions", "references", "comment", "raw", "sentence", "sentences", "text")
LISTS = ("data",)
MARKS = "\t|,;"
# An id ends at the tab, or where there is none at the first space, comma or bar; a caption's number belongs to neither.
_TABBED = re.compile(r"(?P<id>[^\t]+?)(?:#\d+)?\s*\t\s*(?P<text>\S.*)")
_SPACED = re.compile(r"(?P<id>[^\s,|]+?)(?:#\d+)?\s*[ ,|]\s*(?P<text>\S.*)")
# In Flickr30k's table one line lacks the second bar: `2199200615.jpg| 4   A dog runs across the grass .`
_BARS = re.compile(r"(?P<id>[^|]+?)\s*\|\s*\d+\s*\|?\s*(?P<text>\S.*)")


def is_references(path: Path) -> bool:
    """Whether a file of captions is neither COCO's nor Karpathy's."""
    first = first_character(path)
    return bool(first) and not (first == "{" and head_keys(path) & {"images", "annotations", "info"})


def read_references(source: Source) -> Iterator[Row]:
    """One row an image with all its references, in the order in which the images come.

    With files of the role `images`, lists of names, only these images.
    """
    for id, texts in _chosen(source).items():
        yield make_row(id, without_ending(id), [text.strip() for text in texts])


def read_references_gold(source: Source) -> Gold:
    """The references of each image as people wrote them. Raises UserError that names the record."""
    where = _named(source)
    if source.options.get("subset") is not None:
        raise UserError(f"{where}: this file has no splits; leave out --split")
    found = {number_id(id, "id"): texts for id, texts in _chosen(source).items()}
    if not found:
        raise UserError(f"{where}: has no caption")
    return Gold(list(found), list(found.values()), names=file_names(list(map(str, found))))


def _chosen(source: Source) -> dict[str, list[str]]:
    """The references by image; those of the listed images where there is a list."""
    found: dict[str, list[str]] = {}
    for path in source.paths("annotations"):
        for id, texts in _pairs(path):
            found.setdefault(id, []).extend(texts)
    lists = source.paths("images")
    if not lists:
        return found
    of_name = {without_ending(id): id for id in found}
    listed = [line.strip() for path in lists for _, line in text_lines(path) if line.strip()]
    missing = [name for name in listed if without_ending(name) not in of_name]
    if missing:
        raise UserError(f"{lists[0]}: {len(missing)} images have no caption in {_named(source)} ({some(missing)})")
    return {id: found[id] for id in (of_name[without_ending(name)] for name in listed)}


def _named(source: Source) -> str:
    return ", ".join(map(str, source.paths("annotations")))


def _pairs(path: Path) -> Iterator[tuple[str, list[str]]]:
    first = first_character(path)
    keys = head_keys(path) if first == "{" else set()
    if first == "{" and not keys & set(LISTS) and not (keys & set(CAPTION_KEYS) and is_json_lines(path)):
        return read_rows(path, json_members(path, strict=True), _of_member)
    if first in ("[", "{") or path.name.removesuffix(".gz").endswith(".parquet"):
        return read_rows(path, any_records(path, LISTS, (*IMAGE_KEYS, *CAPTION_KEYS)), _of_record)
    return _of_lines(path)


def _of_member(member: tuple[str, Any]) -> list[tuple[str, list[str]]]:
    id, found = member
    return [(any_id(id, "id"), _texts(found, "the value"))]


def _of_record(record: Any) -> list[tuple[str, list[str]]]:
    image, caption = (present(record, keys) for keys in (IMAGE_KEYS, CAPTION_KEYS))
    return [(any_id(value(record, image), image), _texts(value(record, caption), caption))]


def _texts(found: Any, name: str) -> list[str]:
    """The captions of a value: a text, or a list of texts or of objects that hold one."""
    found = listed(found)
    several = found if isinstance(found, list) else [found]
    if not several:
        raise FieldError(f"{name} has no caption; leave the image out")
    return [_text(one, name) for one in several]


def _text(found: Any, name: str) -> str:
    if isinstance(found, Mapping):
        return whole_text(found, present(found, CAPTION_KEYS))
    if not isinstance(found, str):
        raise FieldError(f"{name} is {kind(found)}; it must be a caption or a list of captions")
    return whole_text({name: found}, name)


def _of_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    lines = ((number, line) for number, line in text_lines(path) if line.strip())
    head = next(lines, None)
    if head is None:
        return
    columns = _columns(head[1])
    if columns is None:
        yield from _plain(path, chain([head], lines), (_TABBED, _SPACED))
    elif "|" in head[1]:
        yield from _plain(path, lines, (_BARS,))
    else:
        yield from _table(path, chain([head], lines), *columns)


def _columns(line: str) -> tuple[str, list[str], int, int] | None:
    """What parts the cells of a table's first line, the cells, the numbers of image and caption; None for a row."""
    for mark in MARKS:
        cells = [cell.strip().strip('"').lower() for cell in line.split(mark)]
        image = next((cells.index(key) for key in IMAGE_KEYS if key in cells), None)
        caption = next((cells.index(key) for key in CAPTION_KEYS if key in cells), None)
        if image is not None and caption is not None:
            return mark, cells, image, caption
    return None


def _plain(
    path: Path, lines: Iterable[tuple[int, str]], forms: Sequence[re.Pattern[str]]
) -> Iterator[tuple[str, list[str]]]:
    for number, line in lines:
        found = next(filter(None, (form.fullmatch(line.strip()) for form in forms)), None)
        if found is None:
            raise UserError(f"{path}: line {number} has no image and caption: {line.strip()[:60]!r}; correct the line")
        yield found["id"].strip(), [_unquoted(found["text"])]


def _unquoted(text: str) -> str:
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


def _table(
    path: Path, lines: Iterable[tuple[int, str]], mark: str, cells: Sequence[str], image: int, caption: int
) -> Iterator[tuple[str, list[str]]]:
    """The rows of a table below its first line. In a tsv a quotation mark is a character."""
    rows = (
        ((number, line.split(mark)) for number, line in lines)
        if mark == "\t"
        else cells_of(path, (line + "\n" for _, line in lines), mark)
    )
    next(rows)
    last = len(cells) - 1
    for number, row in rows:
        # A caption that nobody quoted may hold commas.
        if caption == last and len(row) > len(cells):
            row = [*row[:last], mark.join(row[last:])]
        if len(row) != len(cells):
            raise UserError(f"{path}: line {number} has {len(row)} cells, {len(cells)} are expected; correct it")
        yield row[image].strip(), _texts(row[caption], cells[caption])
