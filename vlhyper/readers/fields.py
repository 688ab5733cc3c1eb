"""Take values out of one record of a file, or say in a few words why that is not possible."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

from vlhyper.wording import shown, some

Row = dict[str, Any]


class FieldError(ValueError):
    """What is wrong with one record; whoever reads the file adds its name and the record's."""


def value(record: Any, key: str) -> Any:
    """`record[key]`. Raises FieldError where the record is no JSON object or lacks the key."""
    if not isinstance(record, dict):
        raise FieldError(f"must be a JSON object, is {shown(record)}")
    try:
        return record[key]
    except KeyError:
        raise FieldError(f"has no {key!r}; its keys are {some(map(repr, record), 8) or 'none'}") from None


def text(record: Any, key: str) -> str:
    """`record[key]`, which must be text."""
    found = value(record, key)
    if not isinstance(found, str):
        raise FieldError(f"{key!r} must be text, is {shown(found)}")
    return found


def whole_text(record: Any, key: str) -> str:
    """`record[key]`, which must be text that can be written as UTF-8."""
    found = text(record, key)
    if not found.isascii():
        try:
            found.encode()
        except UnicodeEncodeError:
            raise FieldError(f"{key!r} has half of a surrogate pair; write the file as UTF-8") from None
    return found


def ident(record: Any, key: str) -> str:
    """An id as text; files write the same id now as a number, now as a string."""
    return any_id(value(record, key), key)


def any_id(found: Any, key: str) -> str:
    """An id as text, whether it is a whole number or text."""
    if isinstance(found, bool) or not isinstance(found, int | str) or found == "":
        raise FieldError(f"{key!r} must be an id (a whole number or text), is {shown(found)}")
    return str(found)


def number_id(found: Any, key: str) -> int | str:
    """An id of data sets that number their items: a whole number, also where it is written as text.

    Data sets of a user's own may have ids that are other texts.
    """
    if type(found) is int:
        return found
    written = any_id(found, key)
    return int(written) if written.isascii() and written.isdigit() and len(written) < 20 else written


def text_id(found: Any, key: str) -> str:
    """An id that is text; as a number it would lose its leading zeros."""
    if not isinstance(found, str):
        raise FieldError(f"{key!r} must be text, in quotes, is {shown(found)}")
    return found


def optional(record: Any, key: str) -> Any:
    """`record[key]`, or None where the record lacks the key. Raises FieldError where it is no JSON object."""
    if isinstance(record, dict) and key not in record:
        return None
    return value(record, key)


def present(record: Any, keys: Sequence[str]) -> str:
    """The first of these keys that a record has; its usual name where it has none."""
    return next((key for key in keys if optional(record, key) is not None), keys[0])


def items(record: Any, key: str) -> list[Any]:
    """`record[key]`, which must be a list."""
    found = value(record, key)
    if not isinstance(found, list):
        raise FieldError(f"{key!r} must be a list, is {shown(found)}")
    return found


def make_row(id: str, image: str, targets: list[str], weights: list[float] | None = None, **texts: Any) -> Row:
    """One row as `load_rows` gives it. Without `weights` every target counts 1.

    A blank target is dropped, whatever the format: nobody can learn or score it, so the answer counts as hidden.
    """
    weighed = zip(targets, repeat(1.0) if weights is None else weights, strict=False)
    kept = [(target, weight) for target, weight in weighed if target.strip()]
    return {
        "id": id,
        "image": image,
        **texts,
        "targets": [target for target, _ in kept],
        "weights": [weight for _, weight in kept],
    }
