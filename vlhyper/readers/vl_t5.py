"""The list of questions with scored labels that LXMERT began and VL-T5 and VL-Adapter carry on.

VQA (karpathy_*, train, nominival, minival), GQA (train, valid, testdev, submit) and vg_qa_full share it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typing_extensions import NotRequired, TypedDict

from vlhyper.readers.answers import scored_labels
from vlhyper.readers.fields import Row, ident, make_row, text
from vlhyper.readers.gold import Gold
from vlhyper.readers.people import people_gold
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_items, read_rows


class Question(TypedDict):
    """What is read of a record; of one that writes `question` for `sent` all is read."""

    question_id: Any
    img_id: Any
    sent: Any
    label: NotRequired[Any]


def read_vl_t5(source: Source) -> Iterator[Row]:
    """Rows with the file's own scores; `submit` and test files have no `label`, so their rows have no targets."""
    for path in source.paths("questions"):
        yield from read_rows(path, json_items(path, form=Question), _shape)


def read_vl_t5_people(source: Source) -> Gold:
    """What people answered, where the records have `answers` (karpathy_*). Raises UserError that names the record."""
    return people_gold(source.paths("questions"), None, source.options.get("answers") or "stemmed")


def _shape(record: Any) -> list[Row]:
    id, image = ident(record, "question_id"), ident(record, "img_id")
    # VL-T5 and VL-Adapter take either.
    question = text(record, "question" if "sent" not in record and "question" in record else "sent")
    return [make_row(id, image, *scored_labels(record.get("label", {})), question=question)]
