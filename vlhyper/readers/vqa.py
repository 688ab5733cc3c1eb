"""Official VQA v2 and OK-VQA: a questions file and, where answers are public, an annotations file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from vlhyper.errors import UserError
from vlhyper.published import ANSWER_KEYS
from vlhyper.readers.answers import human_answers
from vlhyper.readers.coco import karpathy_image_ids
from vlhyper.readers.fields import Row, ident, make_row, number_id, text, value
from vlhyper.readers.gold import Gold, duplicates, without_duplicates
from vlhyper.readers.opening import starts_with
from vlhyper.readers.people import people_gold
from vlhyper.readers.quick import Identified, Questions, decoded
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_items, read_rows
from vlhyper.wording import some


class Question(TypedDict):
    question_id: Any
    image_id: Any
    question: Any


def read_vqa(source: Source) -> Iterator[Row]:
    """Rows in the order of the questions; without annotations they have no targets.

    Option `answers`: `raw` takes OK-VQA's words as typed in place of the stemmed ones its scorer compares.
    Option `subset` with the role `karpathy`: only questions on the images of that Karpathy split.
    """
    rows = _joined(source) if source.paths("annotations") else _questions(source)
    if not source.paths("karpathy"):
        return rows
    wanted = karpathy_image_ids(source.paths("karpathy"), source.options["subset"])
    return (row for row in rows if row["image"] in wanted)


def read_vqa_gold(source: Source) -> Gold:
    """What people answered, from the annotations; option `answers` as for the rows.

    Where there is a questions file too, every annotated question must be in it. Raises UserError that names the record.
    """
    paths = source.paths("annotations")
    gold = people_gold(paths, "annotations", source.options.get("answers") or "stemmed")
    if questions := source.paths("questions"):
        asked = {id for path in questions for id in question_ids(path)}
        if strange := [id for id in gold.ids if id not in asked]:
            raise UserError(
                f"{_named(paths)}: {len(strange)} questions are not in {_named(questions)} ({some(strange)}); "
                "give the two files of one split"
            )
    return gold


def question_ids(path: Path) -> list[int | str]:
    """The ids of an official questions file (or of VL-T5's list), in its order. Raises UserError for duplicates."""
    usual = decoded(path, Questions | list[Identified])
    found: list[int | str]
    if usual is None:
        records = json_items(path, None if starts_with(path, "[") else "questions")
        found = list(read_rows(path, records, lambda one: [number_id(value(one, "question_id"), "question_id")]))
    else:
        found = [record.question_id for record in (usual if isinstance(usual, list) else usual.questions)]
    without_duplicates(found, str(path), "question_id")
    return found


def _questions(source: Source) -> Iterator[Row]:
    def shape(record: Any) -> list[Row]:
        id, image = ident(record, "question_id"), ident(record, "image_id")
        return [make_row(id, image, [], question=text(record, "question"))]

    for path in source.paths("questions"):
        yield from read_rows(path, json_items(path, "questions", Question), shape)


def _annotations(source: Source) -> Iterator[Row]:
    part = ANSWER_KEYS[source.options.get("answers", "stemmed")]
    # Ten answers a question are most of the file, and most of an answer is not read.
    person = TypedDict("person", {part: Any})  # type: ignore[misc]
    form = TypedDict("form", {"question_id": Any, "answers": list[person]})  # noqa: UP013

    def shape(record: Any) -> list[Row]:
        return [make_row(ident(record, "question_id"), "", *human_answers(record, "answers", part))]

    for path in source.paths("annotations"):
        yield from read_rows(path, json_items(path, "annotations", form), shape)


def _joined(source: Source) -> Iterator[Row]:
    """Join on the question id. The two files usually run in step; what is ahead of its partner waits in a dict."""
    questions: dict[str, Row] = {}
    annotations: dict[str, Row] = {}
    for question, annotation in zip_longest(_questions(source), _annotations(source)):
        for row, waiting, role in ((question, questions, "questions"), (annotation, annotations, "annotations")):
            if row is not None and waiting.setdefault(row["id"], row) is not row:
                raise UserError(_twice(source.paths(role), [row["id"]]))
        for row in (question, annotation):
            if row is not None and row["id"] in questions and row["id"] in annotations:
                found = annotations.pop(row["id"])
                yield {**questions.pop(row["id"]), "targets": found["targets"], "weights": found["weights"]}
    for left, read, role, other in (
        (questions, _questions, "questions", "annotations"),
        (annotations, _annotations, "annotations", "questions"),
    ):
        if left:
            raise UserError(_rest(left, read(source), source.paths(role), f"{role} without {other}", other))


def _rest(left: dict[str, Row], again: Iterator[Row], paths: tuple[Path, ...], what: str, other: str) -> str:
    """What is wrong with rows that found no partner. One that had lost it to its double shows in a second reading."""
    times = Counter(row["id"] for row in again if row["id"] in left)
    if doubles := [id for id in left if times[id] > 1]:
        return _twice(paths, doubles)
    return f"{_named(paths)}: {len(left)} {what} (question_id {some(left)}); are the {other} those of the same split?"


def _twice(paths: tuple[Path, ...], ids: list[str]) -> str:
    return duplicates(ids, _named(paths), "question_id")


def _named(paths: tuple[Path, ...]) -> str:
    return ", ".join(map(str, paths))
