"""What people answered to questions, of VQA v2 and OK-VQA, official and in VL-T5's list: VQA accuracy's truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, defstruct

from vlhyper.errors import UserError
from vlhyper.published import ANSWER_KEYS
from vlhyper.readers.answers import answer_texts
from vlhyper.readers.fields import FieldError, number_id, optional, shown, value, whole_text
from vlhyper.readers.gold import Gold, without_duplicates
from vlhyper.readers.quick import decoded, some_of
from vlhyper.readers.streams import json_items, read_rows

COLUMNS = {"answer_type": "answer_type", "question_type": "question_type", "in_domain": "is_topk_optimal"}


class Annotation(Struct, kw_only=True, gc=False):
    """One question, but for what people answered."""

    question_id: int | str
    image_id: int | str | None = None
    img_id: int | str | None = None
    question_type: str | None = None
    answer_type: str | None = None
    is_topk_optimal: bool | None = None


class Careful(Annotation, kw_only=True):
    """One question as the careful reader gives it."""

    texts: list[str]


def people_gold(paths: Sequence[Path], key: str | None, answers: str = "stemmed") -> Gold:
    """What people answered, with types and domain, of files whose records are a list or are under `key`.

    answers: `raw` takes OK-VQA's words as typed in place of the stemmed ones its evaluator compares.
    Raises UserError that names the record.
    """
    part = ANSWER_KEYS[answers]
    # Two million answers are a hundred thousand texts: each is kept once, which saves the time to reach it.
    kept = dict[str, str]().setdefault
    records: list[Any] = []
    texts: list[list[str]] = []
    for path in paths:
        usual = quick(path, key, part)
        if usual is None:
            found = list(careful(path, key, part))
            texts += [record.texts for record in found]
            records += found
        else:
            texts += [[kept(answer.text, answer.text) for answer in record.answers] for record in usual]
            records += usual
    where = ", ".join(map(str, paths))
    if not records:
        raise UserError(f"{where}: has no question")
    return _gold(records, texts, where)


def _gold(records: Sequence[Any], texts: Sequence[list[str]], where: str) -> Gold:
    ids = [record.question_id for record in records]
    without_duplicates(ids, where, "question_id")
    images = [record.image_id if record.img_id is None else record.img_id for record in records]
    if None in images:
        images = [id if image is None else image for id, image in zip(ids, images, strict=True)]
    columns = {name: [getattr(record, field) for record in records] for name, field in COLUMNS.items()}
    return Gold(ids, texts, images, {name: column for name, column in columns.items() if any_known(column)})


def any_known(column: Sequence[Any]) -> bool:
    """Whether anything but None is in it."""
    return column.count(None) < len(column)


def quick(path: Path, key: str | None, part: str) -> list[Any] | None:
    """The records of a file whose every record has the usual form, else None."""
    answer = defstruct("Answer", [("text", str)], gc=False, rename={"text": part})
    fields: list[Any] = [("question_id", int), ("answers", some_of(answer))]
    record = defstruct("Usual", fields, bases=(Annotation,), kw_only=True, gc=False)
    form = some_of(record)
    found = decoded(path, form if key is None else defstruct("File", [("records", form)], rename={"records": key}))
    return found if found is None or key is None else found.records


def careful(path: Path, key: str | None, part: str) -> Iterator[Any]:
    """The records of any file that has them, one by one."""
    return read_rows(path, json_items(path, key, strict=True), partial(_shape, part))


def _shape(part: str, record: Any) -> list[Careful]:
    id = number_id(value(record, "question_id"), "question_id")
    flag = _of_type(record, "is_topk_optimal", bool, int)
    return [
        Careful(
            question_id=id,
            image_id=_of_type(record, "image_id", str, int, float),
            img_id=_of_type(record, "img_id", str, int, float),
            question_type=_type_of(record, "question_type"),
            answer_type=_type_of(record, "answer_type"),
            is_topk_optimal=None if flag is None else bool(flag),
            texts=_answers(record, part),
        )
    ]


def _answers(record: Any, part: str) -> list[str]:
    if "answers" not in record:
        raise FieldError("has no 'answers' of people; VQA accuracy needs them (LXMERT's files lack them)")
    if not record["answers"]:
        raise FieldError(f"'answers' is {shown(record['answers'])}; it must be a list of about ten answers")
    try:
        return answer_texts(record, "answers", part)
    except FieldError as error:
        hint = "; score with --answers stemmed" if part == ANSWER_KEYS["raw"] else ""
        raise FieldError(f"{error}{hint}") from None


def _type_of(record: Any, key: str) -> str | None:
    return None if optional(record, key) is None else whole_text(record, key)


def _of_type(record: Any, key: str, *types: type) -> Any:
    found = optional(record, key)
    if found is not None and not isinstance(found, types):
        raise FieldError(f"{key!r} is {shown(found)}; give the file as it was published")
    return found
