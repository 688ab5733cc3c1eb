"""Visual Genome's question_answers.json: one object an image, with its questions and answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typing_extensions import TypedDict

from vlhyper.readers.fields import FieldError, Row, ident, items, make_row, text
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_items, read_rows


class Pair(TypedDict):
    """What is read of a question with its answer."""

    qa_id: Any
    image_id: Any
    question: Any
    answer: Any


class Image(TypedDict):
    qas: list[Pair]


def read_visual_genome(source: Source) -> Iterator[Row]:
    """Rows in file order; one whose answer is nothing but a full stop has no target."""
    for path in source.paths("questions"):
        yield from read_rows(path, json_items(path, form=Image), _shape)


def _shape(image: Any) -> Iterator[Row]:
    for qa in items(image, "qas"):
        try:
            yield _row(image, qa)
        except FieldError as error:
            named = qa["qa_id"] if isinstance(qa, dict) and "qa_id" in qa else "?"
            raise FieldError(f"qa_id {named}: {error}") from None


def _row(image: Any, qa: Any) -> Row:
    id, answer = ident(qa, "qa_id"), short_answer(text(qa, "answer"))
    # Some releases name the image beside the list of its questions alone, as `image_id` or as `id`.
    holder = qa if "image_id" in qa else image
    image_id = ident(holder, "id" if holder is image and "image_id" not in image else "image_id")
    return make_row(id, image_id, [answer], question=text(qa, "question"))


def short_answer(answer: str) -> str:
    """`In a room.` → `in a room`: it answers in sentences, VQA, whose prompt it shares, in lower-case words."""
    return answer.strip().rstrip(".").lower()
