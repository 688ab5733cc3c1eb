"""Predictions as other programs write them: told apart by content, brought to the keys of a task's own file.

A JSON list, JSON lines (LLaVA's `merge.jsonl`, lmms-eval's logs of samples), `{id: answer}`, csv and tsv; each may be
packed by gzip, come from a pipe, or be several files named by a pattern (`rank_*.jsonl`).
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
from vlhyper.readers.source import expand
from vlhyper.readers.streams import parsed_json
from vlhyper.wording import kind, named

ID_KEYS = ("question_id", "questionId", "qid", "image_id", "pairID", "id", "index", "idx")
TEXT_KEYS = ("answer", "prediction", "caption", "text", "pred_ans", "pred", "response", "output")
LISTS = ("predictions", "results", "answers", "annotations")


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
        records, told = _of_content(_content(path), path, own, shape)
        found += records
    if not found or not any(isinstance(record, Mapping) for record in found):
        return found
    if _is_lmms_eval(found[0]):
        found, told = list(map(_lmms_eval, found)), "samples of lmms-eval"
    first = next(record for record in found if isinstance(record, Mapping))
    id_key = keys[0] or _key(first, own[0], ID_KEYS)
    answer_key = keys[1] or _key(first, own[1], TEXT_KEYS)
    if (id_key, answer_key) != own or told:
        say(f"{os.fspath(source)}: read as {told or 'a JSON list'}, ids under {id_key!r}, answers under {answer_key!r}")
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
    ending = Path(where.stem).suffix if where.suffix == ".gz" else where.suffix
    if ending in (".csv", ".tsv"):
        return _table(content, where, "\t" if ending == ".tsv" else ","), f"{ending[1:]}"
    if lines := _lines(content):
        return lines, "JSON lines"
    value = parsed_json(content, where)
    if isinstance(value, Mapping):
        inner = [value[key] for key in LISTS if isinstance(value.get(key), list)]
        if len(inner) == 1:
            return inner[0], "a list in an object"
        if value and not any(isinstance(answer, dict | list) or answer is None for answer in value.values()):
            return [{own[0]: id, own[1]: answer} for id, answer in value.items()], "an object {id: answer}"
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
    """The task's own key where the record has it, else the first usual one that it has."""
    return own if own in record else next((key for key in others if key in record), own)


def _renamed(record: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(record, Mapping):
        return record
    return {new: record[old] for old, new in names.items() if old in record} or record


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
