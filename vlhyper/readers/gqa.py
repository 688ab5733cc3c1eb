"""Official GQA questions: an object by question id, in one file or in a folder of chunks (train_all)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typing_extensions import NotRequired, TypedDict

from vlhyper.errors import UserError
from vlhyper.readers.fields import FieldError, Row, ident, items, make_row, optional, shown, text, value, whole_text
from vlhyper.readers.gold import Gold, without_duplicates
from vlhyper.readers.opening import folder_files
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_members, json_value, read_rows

# What the fields that metrics come from must be, where they are given.
TYPES = {
    "isBalanced": bool,
    "imageId": str | int,
    "types": Mapping,
    "groups": Mapping,
    "entailed": list,
    "semantic": list,
}
KINDS = {"types": ("structural", "semantic", "detailed"), "groups": ("global",)}


class Question(TypedDict):
    """What is read of a record; the test and challenge files hold no answers."""

    imageId: Any
    question: Any
    answer: NotRequired[Any]


def read_gqa(source: Source) -> Iterator[Row]:
    """Rows in file order, without targets where there are no answers, or blank ones."""
    for chunk in _chunks(source):
        yield from read_rows(chunk, json_members(chunk, Question), _shape)


def _shape(member: tuple[str, Any]) -> list[Row]:
    id, record = member
    targets = [text(record, "answer")] if _answered(record) else []
    return [make_row(id, ident(record, "imageId"), targets, question=text(record, "question"))]


def _answered(record: Any) -> bool:
    return isinstance(record, dict) and "answer" in record


def read_gqa_gold(source: Source) -> Gold:
    """The balanced questions, each with its whole record; those that are not balanced are `others`.

    All metrics are over the balanced ones; files without the flag are all balanced. Raises UserError that names the
    record.
    """
    records = _records(source, answered=True)
    scored = {id: record for id, record in records.items() if record.get("isBalanced") is not False}
    if not scored:
        raise UserError(f"{_named(source)}: none of its questions is balanced; GQA scores the balanced ones")
    images = [record.get("imageId") for record in scored.values()]
    clusters = [id if image is None else image for id, image in zip(scored, images, strict=True)]
    others = {id: record for id, record in records.items() if id not in scored}
    return Gold(list(scored), list(scored.values()), clusters, others=others)


def gqa_question_ids(source: Source) -> list[str]:
    """The ids of questions files, with or without answers."""
    return list(_records(source, answered=False))


def _records(source: Source, answered: bool) -> dict[str, Mapping[str, Any]]:
    found: list[tuple[str, Any]] = []
    for chunk in _chunks(source):
        found += read_rows(chunk, json_members(chunk, strict=True), lambda member: [_checked(member, answered)])
    without_duplicates([id for id, _ in found], _named(source), "question id")
    if not found:
        raise UserError(f"{_named(source)}: has no question")
    return dict(found)


def _checked(member: tuple[str, Any], answered: bool) -> tuple[str, Any]:
    id, record = member
    if answered and not _answered(record):
        value(record, "question")
        raise FieldError("has no 'answer'; questions without answers can only be submitted (--submission)")
    for key in ("answer", "question") if answered else ():
        if key in record:
            whole_text(record, key)
    for key, type_ in TYPES.items() if isinstance(record, dict) else ():
        if record.get(key) is not None and not isinstance(record[key], type_):
            raise FieldError(f"{key!r} is {shown(record[key])}; give GQA's own questions file")
    _check_details(record)
    return id, record


def _check_details(record: Any) -> None:
    for holder, names in KINDS.items():
        kinds = optional(record, holder) or {}
        for name in names:
            if kinds.get(name) is not None:
                whole_text(kinds, name)
    for other in optional(record, "entailed") or ():
        whole_text({"entailed": other}, "entailed")
    for step in optional(record, "semantic") or ():
        for key in ("operation", "argument"):
            whole_text(step, key)


def read_choices(path: Path, needed: list[str]) -> dict[str, Any]:
    """Valid and plausible answers by question id, of a file or a folder of chunks.

    Raises UserError where a needed question has none.
    """
    found: dict[str, Any] = {}
    for chunk in _chunks(Source({"questions": (path,)})):
        content = json_value(chunk)
        if not isinstance(content, dict):
            raise UserError(f"{chunk}: {shown(content)} is not an object by question id, as GQA's choices are")
        found.update(content)
    for id in needed:
        try:
            for key in ("valid", "plausible"):
                items(value(found, id) if id in found else {}, key)
        except FieldError as error:
            raise UserError(f"{path}: question {id}: {error}; give the choices file of this split") from None
    return found


def _chunks(source: Source) -> list[Path]:
    """The files; those of a folder by their number: chunk 10 comes after chunk 9."""
    return [chunk for path in source.paths("questions") for chunk in (_in_folder(path) if path.is_dir() else [path])]


def _in_folder(folder: Path) -> list[Path]:
    found = sorted(
        folder_files(folder, "*.json*"), key=lambda path: [int(digits) for digits in re.findall(r"\d+", path.stem)]
    )
    found = [path for path in found if path.name.endswith((".json", ".json.gz"))]
    if not found:
        raise UserError(f"{folder}: no .json chunk in this folder")
    return found


def _named(source: Source) -> str:
    return ", ".join(map(str, source.paths("questions")))
