"""The quick way through a large JSON file of the usual form: only the fields that count become objects.

It words no error. Whatever is not of the usual form, right or wrong, is left to the careful reader.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, MsgspecError, Struct, defstruct, json

from vlhyper.errors import UserError
from vlhyper.readers.opening import content_of

# What decoding says of anything that has not the form.
NOT_THIS_FORM = (MsgspecError, UnicodeDecodeError, RecursionError, UserError)


class Identified(Struct, gc=False):
    """A record of a questions file."""

    question_id: int


class Questions(Struct):
    """An official questions file."""

    questions: list[Identified]


def some_of(record: Any) -> Any:
    """The form of a list with at least one of these records."""
    return Annotated[list[record], Meta(min_length=1)]


def decoded_texts(path: Path, id_key: str, text_key: str, other: str | None = None) -> list[tuple[Any, str]] | None:
    """Id and text of each record where all of a list have both under these keys, each key once; else None.

    None too where the key `other` may be there.
    """
    names = {"id": id_key, "text": text_key}
    form: Any = defstruct("Prediction", [("id", int | str), ("text", str)], gc=False, rename=names)
    content = _content(path)
    found = _decoded(content, list[form])
    if content is None or found is None or (other is not None and b'"%b"' % other.encode() in content):
        return None
    if any(content.count(b'"%b"' % key.encode()) != len(found) for key in (id_key, text_key)):
        return None
    return [(record.id, record.text) for record in found]


def decoded(path: Path, form: Any) -> Any:
    """The content of a JSON file that has this form, else None."""
    return _decoded(_content(path), form)


def _content(path: Path) -> bytes | None:
    """What a file holds; None for a pipe, which is left unread: what has been read from it is gone."""
    try:
        return content_of(path) if Path(path).is_file() else None
    except (UserError, OSError):
        return None


def _decoded(content: bytes | None, form: Any) -> Any:
    if content is None:
        return None
    try:
        # A field that is passed over is not decoded, and a file in another encoding must not pass.
        if not content.isascii():
            content.decode()
        return json.decode(content, type=form)
    except NOT_THIS_FORM:
        return None
