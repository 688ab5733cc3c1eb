"""Predictions as other programs write them: told apart by content, brought to the keys of a task's own file.

A JSON list, JSON lines (LLaVA's `merge.jsonl`, lmms-eval's logs of samples, CapEvalKit's captions), `{id: answer}`,
`{id: record}`, coco-caption's `imgToEval`, csv, tsv, VLMEvalKit's xlsx, tsv and json; each may be packed by gzip, come
from a pipe, or be several files that a pattern names (`rank_*.jsonl`).
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlhyper.console import say
from vlhyper.errors import UserError
from vlhyper.files import parse_json
from vlhyper.readers.opening import TooLarge, content_of, whole
from vlhyper.readers.sheets import sheet_records
from vlhyper.readers.source import expand
from vlhyper.readers.streams import parsed_json
from vlhyper.wording import kind, named

IMAGE_KEYS = ("image", "image_name", "file_name", "filename")
ID_KEYS = ("question_id", "questionId", "qid", "image_id", "pairID", "id", "index", "idx", *IMAGE_KEYS)
# Where a record has both a prediction and an answer, as VLMEvalKit's have, the answer is the truth.
PREDICTED = "prediction"
TEXT_KEYS = (
    PREDICTED,
    "answer",
    "caption",
    "text",
    "pred_ans",
    "pred",
    "response",
    "output",
    "direct_answer",
    "multiple_choice",
)
# Where coco-caption's and self-critical.pytorch's results have captions beside their scores.
SCORED = "imgToEval"
LISTS = ("predictions", "results", "answers", "annotations", "logs")


def name_of(source: object) -> str:
    """How messages call the source: its path, or `predictions` for records given from Python."""
    if not isinstance(source, str | os.PathLike):
        return "predictions"
    return "standard input" if os.fspath(source) == "-" else os.fspath(source)


def prediction_records(
    source: str | os.PathLike[str], own: tuple[str, str], shape: str, keys: tuple[str | None, str | None] = (None, None)
) -> list[Any]:
    """The records of a file with id and answer under the keys `own`; a list of texts alone stays one.

    Says in one line what was taken for what, where that is not the task's own form. Raises UserError.

    Args:
        own: the keys of id and answer in the task's own form.
        shape: a right file, for errors.
        keys: those that a user named.
    """
    found: list[Any] = []
    told = ""
    for path in _paths(source):
        if path is not None and path.suffix.lower() == ".xlsx":
            records, told = sheet_records(path), "xlsx"
        else:
            records, told = _of_content(_content(path), path, own, shape)
        found += records
    if not found or not any(isinstance(record, Mapping) for record in found):
        return found
    if _is_lmms_eval(found[0]):
        found, told = list(map(_lmms_eval, found)), "samples of lmms-eval"
    first = next(record for record in found if isinstance(record, Mapping))
    id_key = keys[0] or _key(first, own[0], ID_KEYS)
    answer_key = keys[1] or _key(first, PREDICTED if PREDICTED in first else own[1], TEXT_KEYS)
    if (id_key, answer_key) != own or told:
        say(f"{name_of(source)}: read as {told or 'a JSON list'}, ids under {id_key!r}, answers under {answer_key!r}")
    if (id_key, answer_key) == own:
        return found
    return [_renamed(record, {id_key: own[0], answer_key: own[1]}) for record in found]


def _paths(source: str | os.PathLike[str]) -> Sequence[Path | None]:
    """The files; None for standard input."""
    name = os.fspath(source)
    if name == "-":
        return [None]
    pattern = any(sign in Path(name).name for sign in "*?[")
    return (expand(Path(name)) if pattern else []) or [Path(name)]


def _content(path: Path | None) -> bytes:
    if path is not None:
        return content_of(path)
    try:
        return whole(sys.stdin.buffer)
    except TooLarge as error:
        raise UserError(f"standard input: {error}") from None


def _of_content(content: bytes, path: Path | None, own: tuple[str, str], shape: str) -> tuple[list[Any], str]:
    where = path or Path("standard input")
    if mark := _mark(content, where, own):
        return _table(content, where, mark), "tsv" if mark == "\t" else "csv"
    if lines := _lines(content):
        return lines, "JSON lines"
    value = parsed_json(content, where)
    if isinstance(value, Mapping):
        if isinstance(value.get(SCORED), Mapping):
            return list(value[SCORED].values()), f"the captions of {SCORED}"
        inner = [value[key] for key in LISTS if isinstance(value.get(key), list)]
        if len(inner) == 1:
            return inner[0], "a list in an object"
        if value.keys() & {own[1], *TEXT_KEYS} and value.keys() & {own[0], *ID_KEYS}:
            return _of_columns(value), "one record"
        if value and not any(isinstance(answer, dict | list) or answer is None for answer in value.values()):
            return [{own[0]: id, own[1]: answer} for id, answer in value.items()], "an object {id: answer}"
        if value and all(_is_record(answer, own[1]) for answer in value.values()):
            return [{own[0]: id, **answer} for id, answer in value.items()], "an object {id: record}"
    if not isinstance(value, list):
        raise UserError(f"{where}: is {kind(value)}; it must be a list of records: {shape}")
    return value, ""


def _lines(content: bytes) -> list[Any]:
    """The objects of JSON lines; none where the content is something else."""
    lines = [line for line in content.split(b"\n") if line.strip()]
    if len(lines) < 2 or not all(line.lstrip().startswith(b"{") for line in lines[:2]):
        return []
    try:
        return [parse_json(line.decode()) for line in lines]
    except (ValueError, RecursionError):
        return []


def _mark(content: bytes, path: Path, own: tuple[str, str]) -> str | None:
    """What parts the cells of a table, told by its first line or by the file's ending; None where it is none."""
    head = content[:4096].partition(b"\n")[0].decode("utf-8", "replace").lower()
    # Where the comma is the decimal sign, spreadsheets write semicolons.
    for mark in ("\t", ",", ";"):
        names = {name.strip(' "\ufeff\r') for name in head.split(mark)}
        if all(names & {key.lower() for key in keys} for keys in ((own[0], *ID_KEYS), (own[1], *TEXT_KEYS))):
            return mark
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    return {".csv": ",", ".tsv": "\t"}.get(ending.lower())


def _table(content: bytes, path: Path, mark: str) -> list[dict[str, str]]:
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=mark, strict=True))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path}: {error}; save the table as a plain {path.suffix[1:]} file") from None
    # A cell too many is under None, one that is missing holds it.
    if odd := next((number for number, row in enumerate(rows, start=2) if None in row or None in row.values()), None):
        raise UserError(f"{path}: row {odd} has other cells than the header; correct it")
    return rows


def _key(record: Mapping[str, Any], own: str, others: Sequence[str]) -> str:
    """The task's own key where the record has it, else the first usual one that it has; capitals do not matter."""
    written = {str(key).strip().lower(): key for key in record}
    usual = (key for key in (own, *others) if key in record)
    return next(usual, None) or next((written[key.lower()] for key in (own, *others) if key.lower() in written), own)


def _of_columns(value: Mapping[str, Any]) -> list[Any]:
    """The one record that an object is, or those of a table written column by column, as pandas' `to_json` does."""
    columns = list(value.values())
    if not all(isinstance(column, Mapping) and column.keys() == columns[0].keys() for column in columns):
        return [value]
    return [{name: column[row] for name, column in value.items()} for row in columns[0]]


def _is_record(value: Any, text_key: str) -> bool:
    return isinstance(value, Mapping) and bool(value.keys() & {text_key, *TEXT_KEYS})


def _renamed(record: Any, names: Mapping[str, str]) -> Any:
    """A record that lacks a key stays, so that errors name the keys it has."""
    if not isinstance(record, Mapping) or not all(old in record for old in names):
        return record
    return {new: record[old] for old, new in names.items()}


def _is_lmms_eval(record: Any) -> bool:
    return isinstance(record, Mapping) and isinstance(record.get("doc"), Mapping) and "filtered_resps" in record


def _lmms_eval(record: Any) -> Any:
    """A sample of lmms-eval: the data set's own record under `doc`, the model's answer in `filtered_resps`."""
    if not _is_lmms_eval(record):
        raise UserError(f"a sample of lmms-eval has no 'doc' or no 'filtered_resps': {named(json.dumps(record))}")
    answer = record["filtered_resps"]
    while isinstance(answer, list) and answer:
        answer = answer[0]
    doc = record["doc"]
    return {**{key: doc[key] for key in ID_KEYS if key in doc}, "answer": answer}
