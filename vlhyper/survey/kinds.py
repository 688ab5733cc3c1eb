"""What an annotation file is, told by its content as the readers tell it."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from vlhyper.errors import UserError
from vlhyper.readers.formats import FORMATS
from vlhyper.readers.images import PICTURES
from vlhyper.readers.opening import first_character, head_keys
from vlhyper.readers.records import is_json_lines
from vlhyper.readers.references import CAPTION_KEYS, is_references, read_references
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_items, json_lines, text_lines
from vlhyper.readers.vqa_records import IMAGE_KEYS, QUESTION_KEYS, is_vqa_records
from vlhyper.readers.vqa_records import LISTS as RECORD_LISTS

TASK_OF = {
    "vqa": "vqa",
    "vqa-records": "vqa",
    "gqa": "gqa",
    "visual-genome": "vg_qa",
    "coco-captions": "caption",
    "karpathy": "caption",
    "references": "caption",
    "snli-ve": "snli-ve",
}
UNKNOWN = "not known by their content"
PREDICTIONS = "looks like a system's answers, not like annotations"


class Piece(NamedTuple):
    """A file (of GQA also a folder of chunks), the format and role that it has, and the task that it is for."""

    path: Path
    format: str
    role: str
    task: str


def piece_of(path: Path, pictures: Collection[str]) -> Piece | str:
    """What a file is, or, in a few words, why it is left out.

    pictures: the names of the pictures there are, without endings: what makes a text a list of captions.
    """
    try:
        first = first_character(path)
        if not first:
            return "is empty"
        if first == "{" and not is_json_lines(path):
            return _object(path, pictures)
        return _list(path, pictures) if first == "[" else _lines(path, first, pictures)
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")


def _piece(path: Path, format: str, role: str | None = None, task: str | None = None) -> Piece:
    return Piece(path, format, role or FORMATS[format].truth_role, task or TASK_OF[format])


def _object(path: Path, pictures: Collection[str]) -> Piece | str:
    keys = head_keys(path)
    if {"questions", "question_id", "question"} <= keys:
        return _piece(path, "vqa", "questions")
    if {"images", "sentences"} <= keys:
        return _piece(path, "karpathy")
    if {"imageId", "question"} <= keys:
        return _piece(path, "gqa", "questions")
    if keys & {"annotations", "images", "info"}:
        return _annotations(path)
    if is_vqa_records(path) and keys & {*RECORD_LISTS} and keys & {*QUESTION_KEYS}:
        return _piece(path, "vqa-records")
    return _references(path, pictures)


def _annotations(path: Path) -> Piece | str:
    """COCO's and VQA's objects with a list of annotations, told apart by the first of them."""
    try:
        first = next(json_items(path, "annotations"), None)
    except UserError:
        return "lists images and nothing about them"
    keys = set(first) if isinstance(first, dict) else set()
    if "caption" in keys:
        return _piece(path, "coco-captions")
    if {"question_id", "answers"} <= keys:
        return _piece(path, "vqa", "annotations", "okvqa" if "raw_answer" in str(first) else "vqa")
    if keys & {"bbox", "segmentation", "keypoints", "category_id"}:
        return "marks objects, and has neither captions nor questions"
    return UNKNOWN


def _list(path: Path, pictures: Collection[str]) -> Piece | str:
    keys = head_keys(path)
    if "qas" in keys:
        return _piece(path, "visual-genome")
    if {"sent", "img_id"} <= keys:
        return _piece(path, "vl-t5", task=_vl_t5_task(path))
    if keys & {*QUESTION_KEYS} and keys & {*IMAGE_KEYS}:
        return _piece(path, "vqa-records")
    if "question_id" in keys or "questionId" in keys:
        return PREDICTIONS
    return _references(path, pictures) if keys & {*CAPTION_KEYS} else UNKNOWN


def _vl_t5_task(path: Path) -> str:
    """VL-T5 writes all its questions alike; ids and folders tell them apart."""
    first = next(json_items(path), None)
    id = str(first.get("question_id", "")) if isinstance(first, dict) else ""
    if id.startswith("vg_") or path.stem.startswith("vg_"):
        return "vg_qa"
    return "gqa" if "gqa" in (path.parent.name + path.stem).lower() else "vqa"


def _lines(path: Path, first: str, pictures: Collection[str]) -> Piece | str:
    if first == "{":
        return _json_lines(path, pictures)
    lines = [line.strip() for _, line in islice(text_lines(path), 20) if line.strip()]
    if all(line.lower().endswith(PICTURES) and "\t" not in line and "," not in line for line in lines):
        return _piece(path, "references", "images")
    cells = {cell.strip(' "') for mark in "\t,;" for cell in lines[0].lower().split(mark)}
    if cells & {*QUESTION_KEYS} and cells & {*IMAGE_KEYS}:
        return _piece(path, "vqa-records")
    return _references(path, pictures)


def _json_lines(path: Path, pictures: Collection[str]) -> Piece | str:
    record = next(json_lines(path))
    if {"pairID", "sentence2"} <= record.keys():
        return _piece(path, "snli-ve")
    if record.keys() & {*QUESTION_KEYS} and record.keys() & {*IMAGE_KEYS}:
        return _piece(path, "vqa-records")
    return _references(path, pictures) if record.keys() & {*CAPTION_KEYS} else UNKNOWN


def _references(path: Path, pictures: Collection[str]) -> Piece | str:
    """Captions in a plain form. Nearly every text can be read as such: the pictures that it names must be there."""
    if "result" in path.stem or "prediction" in path.stem:
        return PREDICTIONS
    try:
        images = [row["image"] for row in read_references(Source({"annotations": (path,)}))]
    except UserError:
        return UNKNOWN
    if not is_references(path) or not any(image in pictures for image in images):
        return UNKNOWN
    return _piece(path, "references")
