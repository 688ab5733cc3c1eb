"""VQA in one file: each record holds question, image and answers.

A-OKVQA, VizWiz, TextVQA, DocVQA, InfographicVQA, ST-VQA and POPE are published so. A user's own data may be written in
the same way: as JSON (a list, or an object with the list under `data`), JSON lines, csv, tsv or parquet. Source of the
keys: aokvqa_v1p0_*.json, VizWiz's {train,val,test}.json, TextVQA_0.5.1_*.json, DocVQA's {train,val}_v1.0*.json,
infographicsVQA_*.json, ST-VQA's train_task_*.json, coco_pope_*.json, VLMEvalKit's tsv.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.errors import UserError
from vlhyper.published import PEOPLE
from vlhyper.readers.answers import answer_texts, soft_scores
from vlhyper.readers.fields import FieldError, Row, any_id, items, make_row, number_id, optional, present, text, value
from vlhyper.readers.gold import Gold, without_duplicates
from vlhyper.readers.images import without_ending
from vlhyper.readers.opening import first_character, head_keys
from vlhyper.readers.people import COLUMNS, any_known
from vlhyper.readers.records import any_records, listed
from vlhyper.readers.source import Source
from vlhyper.readers.streams import read_rows
from vlhyper.wording import shown

# Each in the order in which they are tried. VizWiz has no question ids: the image's name, which is there once, is one.
IMAGE_KEYS = ("image_id", "img_id", "image", "image_name", "file_name", "filename", "image_local_name", "file_path")
ID_KEYS = ("question_id", "questionId", "id", "qid", "index", *IMAGE_KEYS)
# POPE calls a question `text` and its answer `label`.
QUESTION_KEYS = ("question", "sent", "text")
ANSWER_KEYS = ("direct_answers", "answers", "answer", "label")
# What kinds a question is of: of DocVQA's and InfographicVQA's several at once.
KIND_KEYS = ("category", "question_types", "answer_type")
LISTS = ("data",)
OTHERS = (*KIND_KEYS, "question_type", "choices", "correct_choice_idx", "difficult_direct_answer")


def is_vqa_records(path: Path) -> bool:
    """Whether the records of a file hold questions and answers together."""
    first = first_character(path)
    if first not in ("[", "{"):
        return bool(first)
    keys = head_keys(path)
    if first == "{":
        return "questions" not in keys and "annotations" not in keys and bool(keys & {*LISTS, *ANSWER_KEYS})
    return not keys & {"sent", "img_id"} and bool(keys & {"question", "direct_answers"})


def read_vqa_records(source: Source) -> Iterator[Row]:
    """Rows with the soft scores of the answers; without public answers, as in test splits, they have no targets."""
    for path in source.paths("questions"):
        yield from read_rows(path, _records(path), _row)


def read_vqa_records_gold(source: Source) -> Gold:
    """What people answered, and of A-OKVQA the right choice. Raises UserError that names the record."""
    paths = source.paths("questions")
    found = [record for path in paths for record in read_rows(path, _records(path), _known)]
    where = ", ".join(map(str, paths))
    ids = [record["id"] for record in found]
    without_duplicates(ids, where, "id")
    answered = [index for index, record in enumerate(found) if record["answers"]]
    if not answered:
        keys = ", ".join(map(repr, ANSWER_KEYS))
        why = f"no record has an answer (under {keys}); those of test splits are not public" if found else "it is empty"
        raise UserError(f"{where}: nothing to score against: {why}")
    columns = {name: [record[name] for record in found] for name in (*COLUMNS, "choice", "difficult", "kinds")}
    gold = Gold(
        ids,
        [record["answers"] for record in found],
        [record["image"] for record in found],
        {name: column for name, column in columns.items() if any_known(column)},
        names=[[number_id(without_ending(str(id)), "id") for id in ids]],
    )
    return gold.at(answered)


def _records(path: Path) -> Iterator[Any]:
    return any_records(path, LISTS, (*ID_KEYS, *QUESTION_KEYS, *ANSWER_KEYS, *OTHERS))


def _row(record: Any) -> list[Row]:
    id, image = _first(record, ID_KEYS), _first(record, IMAGE_KEYS)
    targets, weights = soft_scores(_answers(record) or [])
    question = text(record, present(record, QUESTION_KEYS))
    return [make_row(id, without_ending(image), targets, weights, question=question)]


def _known(record: Any) -> list[dict[str, Any]]:
    id = _first(record, ID_KEYS)
    has_image = any(key in record for key in IMAGE_KEYS)
    return [
        {
            "id": number_id(id, "id"),
            "image": _first(record, IMAGE_KEYS) if has_image else id,
            "answers": _answers(record),
            "answer_type": _one_text(record, "answer_type"),
            "question_type": _one_text(record, "question_type"),
            "kinds": _kinds(record),
            "in_domain": None,
            "choice": _choice(record),
            "difficult": optional(record, "difficult_direct_answer"),
        }
    ]


class Asked(NamedTuple):
    """A question of a test split: its id, whether that is its image's name, and the choices that come with it."""

    id: int | str
    is_image: bool
    choices: list[str] | None


def read_asked(path: Path) -> list[Asked]:
    """The questions of a file, in its order. Raises UserError that names the record, and for duplicate ids."""

    def shape(record: Any) -> list[Asked]:
        key = present(record, ID_KEYS)
        choices = optional(record, "choices")
        found = None if choices is None else answer_texts({"choices": listed(choices)}, "choices")
        return [Asked(number_id(value(record, key), key), key in IMAGE_KEYS, found)]

    asked = list(read_rows(path, _records(path), shape))
    without_duplicates([one.id for one in asked], str(path), "id")
    return asked


def _one_text(record: Any, key: str) -> str | None:
    found = optional(record, key)
    return found if isinstance(found, str) else None


def _kinds(record: Any) -> list[str] | None:
    """The kinds that a question is of; None where the record names none."""
    found = listed(next((record[key] for key in KIND_KEYS if record.get(key)), None))
    kinds = [found] if isinstance(found, str) else found
    return kinds if isinstance(kinds, list) and kinds and all(isinstance(kind, str) for kind in kinds) else None


def _first(record: Any, keys: tuple[str, ...]) -> str:
    key = present(record, keys)
    return any_id(value(record, key), key)


def _answers(record: Any) -> list[str] | None:
    """What people answered, one text for each of them; None where the record does not tell it."""
    key = present(record, ANSWER_KEYS)
    found = listed(optional(record, key))
    if found is None:
        return None
    if isinstance(found, str):
        # Not what one person said, but the right answer: as if all had said so.
        return [found] * PEOPLE if found.strip() else None
    if not isinstance(found, list) or not found:
        raise FieldError(f"{key!r} is {shown(found)}; it must be a list of answers")
    texts = answer_texts({key: found}, key)
    return texts if any(text.strip() for text in texts) else None


def _choice(record: Any) -> str | None:
    """The right one of A-OKVQA's choices."""
    index = optional(record, "correct_choice_idx")
    if index is None or optional(record, "choices") is None:
        return None
    choices = items({"choices": listed(record["choices"])}, "choices")
    number = int(index) if isinstance(index, str) and index.isdigit() else index
    if type(number) is not int or not 0 <= number < len(choices):
        raise FieldError(f"'correct_choice_idx' must be a number from 0 to {len(choices) - 1}, is {index!r}")
    return str(choices[number])
