"""The quick way through a large JSON file of the usual form: only the fields that count become objects.

It words no error. Whatever is not of the usual form, right or wrong, is left to the careful reader.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType, defstruct, json

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
    """A record of VQA annotations, but for its image and what people answered."""

    question_type: str | None = None
    answer_type: str | None = None
    is_topk_optimal: bool | None = None


def vqa_annotations(answer_key: str) -> Any:
    """The form of VQA annotations, official or VL-T5's, with the `text` of each answer under this key."""
    answer = defstruct("Answer", [("text", str)], gc=False, rename={"text": answer_key})
    official = defstruct("Annotations", [("annotations", _annotations("image_id", answer))])
    return official | _annotations("img_id", answer)


def _annotations(image_key: str, answer: Any) -> Any:
    fields: list[Any] = [("answers", _some(answer)), ("image", int | str | UnsetType, UNSET)]
    return _some(
        defstruct("Annotation", fields, bases=(Annotation,), kw_only=True, gc=False, rename={"image": image_key})
    )


def _some(record: Any) -> Any:
    return Annotated[list[record], Meta(min_length=1)]


def decoded_predictions(path: str | os.PathLike[str]) -> list[Prediction] | None:
    """The records of a VQA results file where all have the usual form, each key once; else None."""
    found: list[Prediction] | None = decoded(path, list[Prediction])
    if found is not None:
        content = Path(path).read_bytes()
        if any(content.count(b'"%b"' % key) != len(found) for key in (b"question_id", b"answer")):
            return None
    return found


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
