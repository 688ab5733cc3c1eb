"""Files of labels: SNLI-VE's jsonl, GLUE's tsv, jsonl of the SuperGLUE kind, csv, aclImdb's folder; and predictions."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.files import parse_json
from vlhyper.metrics.labels import HIGHEST, LOWEST, LabelTask, task_named
from vlhyper.metrics.reading import (
    Source,
    field_of,
    input_file,
    is_folder,
    keyed_texts,
    kind,
    name_of,
    named,
    records_of,
    shown,
    text_id,
    text_of,
)

SHAPE = '[{"id": "17", "prediction": "acceptable"}], or a list of texts in the order of the annotations'
SNLI_SHAPE = '[{"pairID": "4705552913.jpg#2r1n", "prediction": "neutral"}]'
# SNLI's mark for pairs on which the annotators found no majority.
NO_MAJORITY = "-"
# What hub data sets have where a split's labels are kept back.
HIDDEN = "-1"
ID_COLUMNS = ("index", "idx", "id", "guid")
LABEL_COLUMNS = ("label", "gold_label")


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their numbers from 1; lines end at \\n only: U+2028 may stand in a text."""
    found = input_file(path)
    try:
        text = found.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{found}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    for number, line in enumerate(text.split("\n"), start=1):
        yield number, line.removesuffix("\r")


def read_jsonl(path: str | Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a JSON-lines file, each with `file: line N` for errors."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        try:
            record = parse_json(line)
        except (ValueError, RecursionError):
            raise UserError(f"{where}: not JSON, or a key stands twice; each line must be one object") from None
        if not isinstance(record, dict):
            raise UserError(f"{where}: {shown(record)} where an object is needed")
        yield where, record


def read_snli_ve(path: str) -> dict[str, str]:
    """SNLI-VE labels by pairID; "-" stands for pairs whose annotators found no majority."""
    labels = task_named("snli-ve").labels
    found: dict[str, str] = {}
    for where, record in read_jsonl(path):
        label = field_of(record, "gold_label", where)
        if label not in (*labels, NO_MAJORITY):
            raise UserError(f"{where}: 'gold_label' is {shown(label)}; it must be one of {', '.join(labels)} or '-'")
        identifier = text_id(field_of(record, "pairID", where), "pairID", where)
        if identifier in found:
            raise UserError(f"{where}: pairID {named(identifier)} stands twice")
        found[identifier] = label
    if set(found.values()) <= {NO_MAJORITY}:
        raise UserError(f"{path}: holds no labelled pair")
    return found


def read_labels(name: str, path: str) -> dict[str, Any]:
    """Labels (grades for STS-B) by id, in the order of the file; the id is the row's own or its number from 0."""
    task = task_named(name)
    rows = _rows(name, path)
    found: dict[str, Any] = {}
    for number, (where, row) in enumerate(rows):
        key = next((key for key in ID_COLUMNS if row.get(key) not in (None, "")), None)
        identifier = str(number) if key is None else _any_id(row[key], key, where)
        if identifier in found:
            raise UserError(f"{where}: id {named(identifier)} stands twice")
        found[identifier] = _gold(task, row, where)
    if not found:
        raise UserError(f"{path}: holds no row")
    return found


def _gold(task: LabelTask, row: Mapping[str, Any], where: str) -> Any:
    column = next((key for key in (task.label_column, *LABEL_COLUMNS) if key in row), task.label_column)
    value = field_of(row, column, where)
    if not task.labels:
        return _grade(value, column, where)
    if isinstance(value, bool) and len(task.labels) == 2:
        return task.labels[value]
    text = str(value)
    if text == HIDDEN:
        raise UserError(
            f"{where}: {column!r} is {HIDDEN}: the labels of this split are not public; give a labelled one"
        )
    short = {"neg": "negative", "pos": "positive", "true": "True", "false": "False"}
    text = short.get(text, text)
    if text.isascii() and text.isdigit() and int(text) < len(task.labels):
        return task.labels[int(text)]
    if text not in task.labels:
        raise UserError(f"{where}: {column!r} is {shown(value)}; it must be one of {', '.join(task.labels)}")
    return text


def _grade(value: Any, column: str, where: str) -> float:
    try:
        grade = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        grade = math.nan
    if not LOWEST <= grade <= HIGHEST:
        raise UserError(f"{where}: {column!r} is {shown(value)}; it must be a grade from 0 to 5")
    return grade


def _rows(name: str, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    place = Path(path)
    if is_folder(place):
        return _review_folder(name, place)
    readers = {".jsonl": read_jsonl, ".json": _json_rows, ".parquet": _parquet_rows}
    return readers.get(place.suffix, partial(_table_rows, name))(input_file(place))


def _json_rows(place: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, record in enumerate(records_of(place, '[{"id": "17", "label": 1}]')):
        if not isinstance(record, dict):
            raise UserError(f"{place}: record {index}: {kind(record)} where an object is needed")
        yield f"{place}: record {index}", record


def _parquet_rows(place: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A hub data set's file; only the columns of ids and labels are read."""
    from pyarrow import ArrowException, parquet

    try:
        file = parquet.ParquetFile(place)
        columns = [name for name in file.schema_arrow.names if name in (*ID_COLUMNS, *LABEL_COLUMNS)]
        records = file.read(columns=columns).to_pylist()
    except (ArrowException, OSError):
        raise UserError(f"{place}: not a whole parquet file; fetch it again") from None
    for index, record in enumerate(records):
        yield f"{place}: row {index}", record


def _table_rows(name: str, place: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A tsv is split at tabs and knows no quotes: GLUE's sentences hold stray ones. A csv is a csv."""
    lines = [(number, line) for number, line in read_lines(place) if line]
    if place.suffix == ".csv":
        table = _comma_separated(place, [line for _, line in lines])
    else:
        table = [(f"{place}: line {number}", line.split("\t")) for number, line in lines]
    if not table:
        return
    # CoLA's train and dev files have no header line.
    columns = (
        ["source", "label", "star", "sentence"] if name == "cola" and _is_cola_row(table[0][1]) else table.pop(0)[1]
    )
    for where, cells in table:
        if name == "qqp" and len(cells) < len(columns):
            # QQP's published files hold a few broken lines, which everybody passes over.
            continue
        if len(cells) != len(columns):
            raise UserError(f"{where}: has {len(cells)} columns where the header has {len(columns)}")
        yield where, dict(zip(columns, cells, strict=True))


def _comma_separated(place: Path, lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    rows = csv.reader(lines)
    try:
        return [(f"{place}: row {index}", cells) for index, cells in enumerate(rows)]
    except csv.Error as error:
        raise UserError(f"{place}: line {rows.line_num}: {error}; save the table as a plain csv file") from None


def _is_cola_row(cells: Sequence[str]) -> bool:
    return len(cells) == 4 and cells[1] in ("0", "1")


def _review_folder(name: str, place: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """aclImdb's test folder: neg/ID_RATING.txt and pos/ID_RATING.txt; the id is the path below the folder."""
    if name != "imdb" or not is_folder(place / "neg") or not is_folder(place / "pos"):
        raise UserError(f"{place}: this is a folder; give a file (or, for imdb, the folder that holds neg/ and pos/)")
    for label in ("neg", "pos"):
        if not os.access(place / label, os.R_OK | os.X_OK):
            raise UserError(f"{place / label}: this folder cannot be read; give one that is yours to read")
        for path in sorted((place / label).glob("*.txt")):
            yield str(path), {"id": f"{label}/{path.stem}", "label": label}


def read_label_predictions(source: Source, ids: Sequence[str]) -> dict[str, str]:
    """Predictions by id; a plain list of texts stands for the ids in their order. Raises UserError for other shapes."""
    records = records_of(source, SHAPE)
    if records and all(isinstance(record, str) for record in records):
        if len(records) != len(ids):
            raise UserError(f"{name_of(source)}: {len(records)} texts for {len(ids)} rows; give one for each, or ids")
        places = (f"{name_of(source)}: record {index}" for index in range(len(ids)))
        return {
            identifier: text_of(text, "prediction", where)
            for identifier, text, where in zip(ids, records, places, strict=True)
        }
    return keyed_texts(records if not isinstance(source, str | Path) else source, "id", "prediction", _any_id, SHAPE)


def _any_id(value: Any, key: str, where: str) -> str:
    """Rows are numbered by some programs and named by others; both are compared as texts."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UserError(f"{where}: {key!r} is {shown(value)}; it must be a text or a whole number")
    return text_of(str(value), key, where)
