"""Take values out of one record of an annotation file, or say in a few words why that cannot be done."""

from __future__ import annotations

from itertools import repeat
from typing import Any

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
        raise FieldError(f"has no {key!r}; its keys are {', '.join(map(repr, list(record)[:8])) or 'none'}") from None


def text(record: Any, key: str) -> str:
    found = value(record, key)
    if not isinstance(found, str):
        raise FieldError(f"{key!r} must be text, is {shown(found)}")
    return found


def ident(record: Any, key: str) -> str:
    """An id as text; files write the same id now as a number, now as a string."""
    found = value(record, key)
    if isinstance(found, bool) or not isinstance(found, int | str) or found == "":
        raise FieldError(f"{key!r} must be an id (a whole number or text), is {shown(found)}")
    return str(found)


def optional(record: Any, key: str) -> Any:
    """`record[key]`, or None where the record lacks the key. Raises FieldError where it is no JSON object."""
    if isinstance(record, dict) and key not in record:
        return None
    return value(record, key)


def items(record: Any, key: str) -> list[Any]:
    found = value(record, key)
    if not isinstance(found, list):
        raise FieldError(f"{key!r} must be a list, is {shown(found)}")
    return found


def shown(found: Any) -> str:
    """A value short enough for an error line."""
    written = repr(found)
    return written if len(written) <= 60 else f"{written[:57]}..."


def make_row(id: str, image: str, targets: list[str], weights: list[float] | None = None, **texts: Any) -> Row:
    """One row as `load_rows` gives it. Without `weights` every target counts 1.

    A blank target is none, whatever the format: nobody can learn or score it, so the answer counts as hidden.
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
