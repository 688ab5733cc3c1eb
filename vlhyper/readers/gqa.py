"""Official GQA questions: an object by question id, in one file or in a folder of chunks (train_all)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typing_extensions import NotRequired, TypedDict

from vlhyper.errors import UserError
from vlhyper.readers.fields import Row, ident, make_row, text
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_members, read_rows


class Question(TypedDict):
    """What is read of a record; the test and challenge files hold no answers."""

    imageId: Any
    question: Any
    answer: NotRequired[Any]


def read_gqa(source: Source) -> Iterator[Row]:
    """Rows in file order, without targets where there are no answers, or blank ones."""
    for path in source.paths("questions"):
        for chunk in _chunks(path) if path.is_dir() else [path]:
            yield from read_rows(chunk, json_members(chunk, Question), _shape)


def _shape(member: tuple[str, Any]) -> list[Row]:
    id, record = member
    targets = [text(record, "answer")] if isinstance(record, dict) and "answer" in record else []
    return [make_row(id, ident(record, "imageId"), targets, question=text(record, "question"))]


def _chunks(folder: Path) -> list[Path]:
    """The chunks by their number: chunk 10 comes after chunk 9."""
    found = sorted(folder.glob("*.json"), key=lambda path: [int(digits) for digits in re.findall(r"\d+", path.stem)])
    if not found:
        raise UserError(f"{folder}: no .json chunk in this folder")
    return found
