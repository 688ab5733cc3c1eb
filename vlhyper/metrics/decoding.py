"""The quick way through a large JSON file of the usual form: only the fields that count become objects.

It words no error. Whatever is not of the usual form, right or wrong, is left to the careful reader.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType, defstruct, field, json

# What decoding says of anything that has not the form.
NOT_THIS_FORM = (MsgspecError, UnicodeDecodeError, RecursionError, OSError)


class Identified(Struct, gc=False):
    """A record of a questions file."""

    question_id: int


class Questions(Struct):
    """An official questions file."""

    questions: list[Identified]


class Prediction(Identified, gc=False):
    """A record of a VQA results file."""

    answer: str


class Annotation(Identified, gc=False):
    """A record of VQA annotations without its image; `answers` are not decoded yet."""

    answers: Raw
    question_type: str | None = None
    answer_type: str | None = None
    is_topk_optimal: bool | None = None


class OfficialAnnotation(Annotation, gc=False):
    image: int | str | UnsetType = field(name="image_id", default=UNSET)


class VlT5Annotation(Annotation, gc=False):
    image: int | str | UnsetType = field(name="img_id", default=UNSET)


class Annotations(Struct):
    """An official annotations file."""

    annotations: Annotated[list[OfficialAnnotation], Meta(min_length=1)]


def decoded(path: str | os.PathLike[str], form: Any) -> Any:
    """The content of a JSON file that has this form, else None."""
    try:
        if not Path(path).is_file():
            # A pipe is left unread: what has been read from it is gone.
            return None
        content = Path(path).read_bytes()
        # A field that is passed over is not decoded, and a file in another encoding must not pass.
        if not content.isascii():
            content.decode()
        return json.decode(content, type=form)
    except NOT_THIS_FORM:
        return None


def decoded_answers(records: Iterable[Annotation], key: str) -> list[list[str]] | None:
    """What people answered to each question, under `key` of each answer; None where one has not the form.

    Two million answers are a hundred thousand texts: each is kept once, which saves memory and the time to reach it.
    """
    answer = defstruct("Answer", [("text", str)], gc=False, rename={"text": key})
    decode = json.Decoder(Annotated[list[answer], Meta(min_length=1)]).decode  # type: ignore[valid-type]
    kept = dict[str, str]().setdefault
    try:
        return [[kept(answer.text, answer.text) for answer in decode(record.answers)] for record in records]
    except NOT_THIS_FORM:
        return None
