"""Tables of any column names: tab-separated text, JSON lines, JSON lists, parquet files, text folders, hub data sets.

The manifest's `fields` say which column is what, so that GLUE's tasks and the hub's layouts are manifests, not code:
`id`, `image`, one of `label` (one target), `answers` (several people's) or `captions` (equal wordings), and the texts.
A field names one column, or several of which the first present counts, or {column, pattern} to take a part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError, first_few
from vlhyper.readers.answers import human_answers
from vlhyper.readers.fields import FieldError, Row, ident, items, make_row, shown
from vlhyper.readers.source import Source, expand
from vlhyper.readers.streams import json_items, json_lines, read_rows, text_lines

NOT_TEXT = ("id", "image", "label", "answers", "captions")
# What hub data sets write where a test split hides its label.
HIDDEN = ("-1", "-1.0", "None")


def text_columns(fields: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in fields if name not in NOT_TEXT)


def read_table(source: Source) -> Iterator[Row]:
    """Rows of the split's files; where none is there, of the hub's data set if the manifest names one."""
    shape = _Shape(source.options)
    files = [file for path in source.paths("table") for file in expand(path)]
    for file in files:
        yield from read_rows(file, _records(file, source.options, shape.columns), shape)
    if not files and (hub := source.options.get("hub")):
        yield from read_rows(hub["id"], _hub_records(hub, shape.columns), shape)


class _Shape:
    """record → row, by the manifest's `fields` and `labels`; without an `id` field its number (from 0) is its id."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.fields: Mapping[str, Any] = options["fields"]
        self.labels: Mapping[str, str] = options.get("labels") or {}
        self.step: float | None = options.get("round_labels")
        self.texts = text_columns(self.fields)
        self.count = 0

    @property
    def columns(self) -> list[str | int]:
        """Every column the fields may want: others, the images' bytes above all, are not read."""
        return [column for field in self.fields.values() for column in _alternatives(field)[0]]

    def __call__(self, record: Any) -> Iterator[Row]:
        id = ident({"id": self._pick(record, "id")}, "id") if "id" in self.fields else str(self.count)
        image = ident({"image": self._pick(record, "image")}, "image") if "image" in self.fields else ""
        self.count += 1
        texts: dict[str, Any] = {name: self._text(record, name) for name in self.texts}
        yield make_row(id, image, *self._targets(record), **texts)

    def _targets(self, record: Any) -> tuple[list[str], list[float]]:
        if "answers" in self.fields:
            answers = self._pick(record, "answers", None)
            return human_answers({"answers": [] if answers is None else answers})
        if "captions" in self.fields:
            wordings = self._pick(record, "captions", None)
            found = [
                self._string(wording, "captions").strip() for wording in items({"captions": wordings or []}, "captions")
            ]
        else:
            found = self._label(record)
        return found, [1.0] * len(found)

    def _label(self, record: Any) -> list[str]:
        value = self._pick(record, "label", None) if "label" in self.fields else None
        written = str(value).strip()
        if written in HIDDEN or written == "":
            return []
        if self.step is not None:
            return [rounded(written, self.step)]
        if self.labels and written not in self.labels and written not in self.labels.values():
            raise FieldError(f"has the label {written!r}; known are {', '.join(map(repr, self.labels))}")
        return [self.labels.get(written, written)]

    def _text(self, record: Any, name: str) -> str:
        return self._string(self._pick(record, name), name)

    def _string(self, value: Any, name: str) -> str:
        if not isinstance(value, str):
            raise FieldError(f"{name!r} must be text, is {shown(value)}")
        return value

    def _pick(self, record: Any, name: str, *default: Any) -> Any:
        columns, pattern = _alternatives(self.fields[name])
        if not isinstance(record, Mapping):
            raise FieldError(f"must be an object of columns, is {shown(record)}")
        for column in columns:
            if column in record:
                return _part(record[column], pattern, name)
        if default:
            return default[0]
        wanted = " or ".join(repr(column) for column in columns)
        raise FieldError(f"has no column {wanted} for {name!r}; its columns are {first_few(map(repr, record), 12)}")


def _alternatives(field: Any) -> tuple[list[str | int], str | None]:
    """Column names in the order they are tried, and the pattern whose first group is taken."""
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
        raise FieldError(f"has the label {written!r}, which is no number") from None


def _records(path: Path, options: Mapping[str, Any], columns: list[str | int]) -> Iterator[Any]:
    if path.is_dir():
        return _folder_records(path, options.get("labels") or {})
    if path.suffix == ".parquet":
        return _parquet_records(path, columns)
    if path.suffix == ".jsonl":
        return json_lines(path)
    if path.suffix == ".json":
        return json_items(path)
    if path.suffix == ".tsv":
        return _tsv_records(path, options.get("header", True), options.get("short_lines", "refuse"))
    raise UserError(f"{path}: a table must be .tsv, .jsonl, .json, .parquet or a folder of texts")


def _folder_records(path: Path, labels: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A text a file, a subfolder a label, as in aclImdb; `id` is the path below the folder without its ending."""
    for label in labels:
        for file in sorted((path / label).glob("*.txt")):
            yield {
                "id": f"{label}/{file.stem}",
                "text": "\n".join(line for _, line in text_lines(file)),
                "label": label,
            }


def _tsv_records(path: Path, header: bool, short_lines: str) -> Iterator[dict[str | int, str]]:
    """Columns by name, or by number from 0 without a header. GLUE quotes nothing: a quotation mark is a character."""
    names: list[str | int] = []
    for number, line in text_lines(path):
        cells = line.split("\t")
        if header and number == 1:
            names = list(cells)
            continue
        names = names or list(range(len(cells)))
        if len(cells) < len(names):
            if short_lines == "skip" or line == "":
                continue
            raise UserError(f"{path}: line {number} has {len(cells)} columns, {len(names)} are expected")
        yield dict(zip(names, cells, strict=False))


def _parquet_records(path: Path, columns: Iterable[str | int]) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            held = [name for name in file.schema_arrow.names if name in set(columns)]
            for batch in file.iter_batches(batch_size=4096, columns=held):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise UserError(f"{path}: not a readable parquet file: {str(error).splitlines()[0]}") from None


def _hub_records(hub: Mapping[str, Any], columns: Iterable[str | int]) -> Iterator[Any]:
    from datasets import load_dataset

    where = f"hub data set {hub['id']} (config {hub['config'] or 'default'}, split {hub['split']})"
    try:
        # Streaming fetches the wanted columns alone; the images beside them are tens of gigabytes.
        for part in hub["split"].split("+"):
            found = load_dataset(hub["id"], hub["config"], split=part, revision=hub["revision"], streaming=True)
            held = [name for name in found.column_names or [] if name in set(columns)]
            yield from found.select_columns(held) if held else found
    except (OSError, ValueError) as error:
        raise UserError(f"{where} cannot be read: {str(error).splitlines()[0] or type(error).__name__}") from None
