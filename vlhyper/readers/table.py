"""Tables of any column names, in any of the files of records.py.

The manifest's `fields` say which column is what, so that GLUE's tasks and the hub's layouts are manifests, not code:
`id`, `image`, one of `label` (one target), `answers` (several people's) or `captions` (equal wordings), and the texts.
A field names one column, or several of which the first present counts, or {column, pattern} to take a part of the text.
A column must be there; that of the targets may be missing in the files of `test` splits (see `Source.hides`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from vlhyper.errors import first_few
from vlhyper.published import HIDDEN_LABELS
from vlhyper.readers.answers import answer_texts, human_answers
from vlhyper.readers.fields import FieldError, Row, ident, items, make_row, shown, text
from vlhyper.readers.records import file_records, hub_records, listed
from vlhyper.readers.source import Source, expand
from vlhyper.readers.streams import read_rows

TARGETS = ("label", "answers", "captions")
# The column of labels as they were before they were rounded, or of people's answers before they were counted (JSON).
WRITTEN = "written"


def text_columns(fields: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in fields if name not in ("id", "image", *TARGETS))


def read_table(source: Source) -> Iterator[Row]:
    """Rows of the split's files; where none is there, of the hub's data set if the manifest names one."""
    shape = _Shape(source.options, source.hides)
    files = [file for path in source.paths("table") for file in expand(path)]
    for file in files:
        yield from read_rows(file, file_records(file, source.options, shape.wanted), shape)
    if not files and (hub := source.options.get("hub")):
        yield from read_rows(hub["id"], hub_records(hub, shape.wanted), shape)


class _Shape:
    """record → row, by the manifest's `fields` and `labels`; without an `id` its number (from 0) is its id."""

    def __init__(self, options: Mapping[str, Any], hides: bool) -> None:
        self.fields: Mapping[str, Any] = options["fields"]
        self.labels: Mapping[str, str] = options.get("labels") or {}
        self.step: float | None = options.get("round_labels")
        self.hides, self.count = hides, 0

    def wanted(self, names: Sequence[str]) -> list[str]:
        """Of a file's columns those the fields want: others, the images' bytes above all, are not read."""
        found = (self._column(names, name) for name in self.fields)
        return list(dict.fromkeys(str(column) for column in found if column is not None))

    def __call__(self, record: Any) -> list[Row]:
        found = {name: self._pick(record, name) for name in self.fields}
        id = ident(found, "id") if self._has_id(found) else str(self.count)
        image = ident(found, "image") if "image" in found else ""
        self.count += 1
        texts: dict[str, Any] = {name: text(found, name) for name in text_columns(self.fields)}
        if self.step is not None:
            texts[WRITTEN] = str(found.get("label")).strip()
        elif found.get("answers") is not None:
            texts[WRITTEN] = json.dumps(answer_texts(found))
        elif "answers" in self.fields:
            texts[WRITTEN] = ""
        return [make_row(id, image, *self._targets(found), **texts)]

    def _has_id(self, found: Mapping[str, Any]) -> bool:
        """Whether a record has an id of its own; only a field that may be missing can be without a value."""
        return "id" in found and (found["id"] is not None or None not in _alternatives(self.fields["id"])[0])

    def _pick(self, record: Any, name: str) -> Any:
        """The value of a field; None for a target the file does not have, as in test splits."""
        if not isinstance(record, Mapping):
            raise FieldError(f"must be an object of columns, is {shown(record)}")
        column = self._column(record, name)
        found = None if column is None else _part(record[column], _alternatives(self.fields[name])[1], name)
        return listed(found) if name in ("answers", "captions") else found

    def _column(self, names: Collection[str | int], name: str) -> str | int | None:
        """The column of a field among those there are; None for a field that may be missing."""
        columns, _ = _alternatives(self.fields[name])
        column = next((column for column in columns if column is not None and column in names), None)
        if column is None and None not in columns and not (self.hides and name in TARGETS):
            wanted = " or ".join(repr(column) for column in columns)
            raise FieldError(f"has no column {wanted} for {name!r}; its columns are {first_few(map(repr, names), 12)}")
        return column

    def _targets(self, found: Mapping[str, Any]) -> tuple[list[str], list[float] | None]:
        if found.get("answers") is not None:
            return human_answers(found)
        if found.get("captions") is not None:
            return [text({"captions": wording}, "captions").strip() for wording in items(found, "captions")], None
        return self._label(str(found.get("label")).strip()), None

    def _label(self, written: str) -> list[str]:
        if written in HIDDEN_LABELS:
            return []
        if self.step is not None:
            return [rounded(written, self.step)]
        if self.labels and written not in self.labels and written not in self.labels.values():
            raise FieldError(f"has the label {written!r}; known are {', '.join(map(repr, self.labels))}")
        return [self.labels.get(written, written)]


def _alternatives(field: Any) -> tuple[list[str | int | None], str | None]:
    """Column names in the order they are tried (None: there may be none), and the pattern whose group is taken."""
    if isinstance(field, Mapping):
        return [field["column"]], field["pattern"]
    return (list(field), None) if isinstance(field, list | tuple) else ([field], None)


def _part(value: Any, pattern: str | None, name: str) -> Any:
    if pattern is None:
        return value
    found = re.fullmatch(pattern, str(value))
    if not found:
        raise FieldError(f"{name!r} is {shown(value)}, which the manifest's pattern {pattern!r} does not fit")
    return found[1]


def rounded(written: str, step: float) -> str:
    """A score as the nearest multiple of `step` with one decimal, the text a model is to write: 3.751 → 3.8 for 0.2."""
    try:
        return f"{round(float(written) / step) * step:.1f}"
    except (ValueError, OverflowError):
        raise FieldError(f"has the label {written!r}, which is not a number") from None
