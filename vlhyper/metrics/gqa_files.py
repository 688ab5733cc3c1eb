"""GQA's questions and choices files, official and LXMERT's, in one piece or in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vlhyper.errors import UserError
from vlhyper.metrics.reading import field_of, folder_or_file, kind, load_json, named, shown, some, text_id, text_of

# What the fields that figures come from must be, where they are given.
SHAPES = {
    "isBalanced": bool,
    "imageId": str | int,
    "types": Mapping,
    "groups": Mapping,
    "entailed": list,
    "semantic": list,
}


def read_questions(questions: str, answered: bool = True) -> dict[str, Mapping[str, Any]]:
    """Questions by id, in the order of the file; a folder is read chunk by chunk in the order of names.

    answered: every question must have an answer. Raises UserError that names the record.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for path in folder_or_file(questions, "*.json"):
        value = load_json(path)
        if isinstance(value, list):
            value = _from_lxmert(value, str(path), answered)
        if not isinstance(value, Mapping):
            raise UserError(f"{path}: holds {kind(value)}; GQA questions are an object by question id")
        doubled = found.keys() & value.keys()
        if doubled:
            raise UserError(f"{path}: {len(doubled)} questions stand in another chunk too ({some(sorted(doubled))})")
        found.update(value)
    if not found:
        raise UserError(f"{questions}: holds no question")
    for identifier, question in found.items():
        _check(question, f"{questions}: question {named(identifier)}", answered)
    return found


def _check(question: Any, where: str, answered: bool) -> None:
    if not isinstance(question, Mapping):
        raise UserError(f"{where}: {kind(question)} where an object is needed; give GQA's own questions file")
    if answered and "answer" not in question:
        raise UserError(f"{where}: has no 'answer'; questions without answers can only be submitted (--submission)")
    for key in ("answer", "question") if answered else ():
        if key in question:
            text_of(question[key], key, where)
    for key, shape in SHAPES.items():
        if question.get(key) is not None and not isinstance(question[key], shape):
            raise UserError(f"{where}: {key!r} is {shown(question[key])}; give GQA's own questions file")
    named_types, groups = question.get("types") or {}, question.get("groups") or {}
    for names, keys in ((named_types, ("structural", "semantic", "detailed")), (groups, ("global",))):
        for key in keys:
            if names.get(key) is not None:
                text_of(names[key], key, where)
    for other in question.get("entailed") or ():
        text_of(other, "entailed", where)
    for step in question.get("semantic") or ():
        for key in ("operation", "argument"):
            text_of(field_of(step, key, where), key, where)


def _from_lxmert(records: list[Any], path: str, answered: bool) -> dict[str, Mapping[str, Any]]:
    """LXMERT's list: the label with the highest weight is the answer."""
    found: dict[str, Mapping[str, Any]] = {}
    for index, record in enumerate(records):
        where = f"{path}: record {index}"
        identifier = text_id(field_of(record, "question_id", where), "question_id", where)
        question = {"question": record.get("sent", ""), "imageId": record.get("img_id", identifier)}
        label = record.get("label")
        if isinstance(label, Mapping) and label:
            question["answer"] = max(label, key=lambda answer: _weight(label[answer], where))
        elif answered:
            raise UserError(f"{where}: has no 'label'; questions without answers can only be submitted (--submission)")
        if identifier in found:
            raise UserError(f"{where}: question {named(identifier)} stands twice; keep one record of it")
        found[identifier] = question
    return found


def _weight(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UserError(f"{where}: a weight in 'label' is {shown(value)}; it must be a number from 0 to 1")
    return value


def read_choices(choices: str, needed: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Valid and plausible answers by question id. Raises UserError where a needed question has none."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in folder_or_file(choices, "*.json"):
        value = load_json(path)
        if not isinstance(value, Mapping):
            raise UserError(f"{path}: holds {kind(value)}; GQA choices are an object by question id")
        found.update(value)
    for identifier in needed:
        where = f"{choices}: question {named(identifier)}"
        if identifier not in found:
            raise UserError(f"{where}: has no choices; give the choices file of this split")
        for key in ("valid", "plausible"):
            if not isinstance(field_of(found[identifier], key, where), list):
                raise UserError(f"{where}: {key!r} must be a list of answers")
    return found
