"""How error messages show values and ids: short, printable, on one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vlhyper.errors import first_few

LONGEST = 60


def kind(value: Any) -> str:
    """A JSON value's kind in words."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true/false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def shown(value: Any) -> str:
    """A value short enough for an error line."""
    written = repr(value)
    return written if len(written) <= LONGEST else f"{written[: LONGEST - 3]}..."


def named(identifier: Any) -> str:
    """An id or key as it is where it fits on a line, else quoted and cut."""
    text = str(identifier)
    return text if text.isprintable() and 0 < len(text) <= LONGEST else shown(identifier)


def some(identifiers: Iterable[Any], most: int = 3) -> str:
    """The first few of many ids."""
    return first_few(map(named, identifiers), most)
