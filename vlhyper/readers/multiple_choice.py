"""Questions with choices, of which one is right: A-OKVQA, ScienceQA, VLMEvalKit's tsv, or records of a user's own.

A record has its choices as a list under `choices` or `options`, or one under each of the letters A, B, C, ... The right
one is told by its number from 0, its letter or its text. Source of the keys: aokvqa_v1p0_*.json, ScienceQA's
problems.json, VLMEvalKit's MMBench_*.tsv and ScienceQA_*.tsv.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vlhyper.errors import UserError
from vlhyper.readers.fields import FieldError, Row, any_id, make_row, number_id, optional, present, text, value
from vlhyper.readers.gold import Gold, without_duplicates
from vlhyper.readers.images import without_ending
from vlhyper.readers.opening import first_character, head_keys
from vlhyper.readers.records import any_records, is_json_lines, listed
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_members, read_rows
from vlhyper.wording import kind, shown

ID_KEYS = ("question_id", "questionId", "id", "qid", "index")
IMAGE_KEYS = ("image_id", "image", "image_path", "image_name", "file_name")
CHOICE_KEYS = ("choices", "options")
NUMBER_KEY = "correct_choice_idx"
ANSWER_KEYS = (NUMBER_KEY, "answer", "label")
KIND_KEYS = ("category", "subject")
LISTS = ("data", "questions")
COLUMNS = (*ID_KEYS, *IMAGE_KEYS, *CHOICE_KEYS, *ANSWER_KEYS, *KIND_KEYS, *ascii_uppercase, "question", "hint", "split")
# ScienceQA's file holds all of its splits.
USUAL_SPLIT = "test"


def read_multiple_choice(source: Source) -> Iterator[Row]:
    """Rows whose target is the text of the right choice; `choices` has all of them by letter: (A) dog (B) cat."""
    for path in source.paths("questions"):
        yield from read_rows(path, _records(path), partial(_row, _split_of(source, path)))


def read_multiple_choice_gold(source: Source) -> Gold:
    """The choices of each question by letter, and which is right: {"answer": letter, "choices": {letter: text}}.

    `form` beside them tells the layouts apart: a-okvqa, scienceqa, or letters for any other. Questions whose right
    choice is not public are `others`. Columns: `kinds` (category or subject), `pictured` (ScienceQA: whether there is
    an image). Raises UserError that names the record.
    """
    paths = source.paths("questions")
    found = [one for path in paths for one in read_rows(path, _records(path), partial(_known, _split_of(source, path)))]
    where = ", ".join(map(str, paths))
    ids = [one["id"] for one in found]
    without_duplicates(ids, where, "id")
    answered = [row for row, one in enumerate(found) if one["answer"] is not None]
    if not answered:
        why = "no record tells which choice is right; those of test splits are not public" if found else "has no record"
        raise UserError(f"{where}: nothing to score against: {why} of this split")
    right = [{name: one[name] for name in ("answer", "choices", "form")} for one in found]
    images = [one["image"] for one in found]
    columns = {name: [one[name] for one in found] for name in ("kinds", "pictured")}
    gold = Gold(
        ids,
        right,
        images if None not in images else None,
        {name: column for name, column in columns.items() if any(one is not None for one in column)},
    )
    return gold.at(answered)


def _is_scienceqa(path: Path) -> bool:
    """Whether a file is an object from ids to problems."""
    if first_character(path) != "{" or not head_keys(path) & {*CHOICE_KEYS}:
        return False
    return not head_keys(path) & {*LISTS, *ID_KEYS} and not is_json_lines(path)


def _records(path: Path) -> Iterator[Any]:
    return json_members(path, strict=True) if _is_scienceqa(path) else any_records(path, LISTS, COLUMNS)


def _split_of(source: Source, path: Path) -> str | None:
    found: str | None = source.options.get("subset")
    return found or (USUAL_SPLIT if _is_scienceqa(path) else None)


def _taken(split: str | None, record: Any) -> tuple[Any, Any] | None:
    """The id and the content of a record of this split."""
    id, content = record if isinstance(record, tuple) else (None, record)
    if split is not None and value(content, "split") != split:
        return None
    return (id if id is not None else value(content, present(content, ID_KEYS))), content


def _row(split: str | None, record: Any) -> list[Row]:
    if (taken := _taken(split, record)) is None:
        return []
    id, content = taken
    choices = _choices(content)
    answer = _answer(content, choices)
    listing = " ".join(f"({letter}) {choice}" for letter, choice in choices.items())
    image = without_ending(str(_image(content) or ""))
    targets = [] if answer is None else [choices[answer]]
    return [make_row(any_id(id, "id"), image, targets, question=text(content, "question"), choices=listing)]


def _known(split: str | None, record: Any) -> list[dict[str, Any]]:
    if (taken := _taken(split, record)) is None:
        return []
    id, content = taken
    kinds = optional(content, present(content, KIND_KEYS))
    named, choices = isinstance(record, tuple), _choices(content)
    return [
        {
            "id": number_id(id, "id"),
            "choices": choices,
            "answer": _answer(content, choices),
            # ScienceQA calls every picture image.png; each question has its own.
            "image": None if named else _image(content),
            "pictured": optional(content, "image") is not None if named else None,
            "kinds": [kinds] if isinstance(kinds, str) and kinds else None,
            "form": "scienceqa" if named else "a-okvqa" if NUMBER_KEY in content else "letters",
        }
    ]


def _image(record: Any) -> str | None:
    """The name of the image; of one that is held itself, as in VLMEvalKit's tsv, a digest."""
    found = optional(record, present(record, IMAGE_KEYS))
    if found is None or isinstance(found, bytes | Mapping):
        return None
    name = str(found)
    return name if len(name) < 300 else blake2b(name.encode(), digest_size=16).hexdigest()


def _choices(record: Any) -> dict[str, str]:
    """The texts of the choices by letter."""
    key = present(record, CHOICE_KEYS)
    if optional(record, key) is None:
        found = {letter: record[letter] for letter in ascii_uppercase if record.get(letter) not in (None, "")}
        if not found:
            raise FieldError(f"has no choices: no list under {' or '.join(map(repr, CHOICE_KEYS))}, and no 'A', 'B', …")
        return {letter: str(choice) for letter, choice in found.items()}
    listing = listed(record[key])
    if not isinstance(listing, list) or not 1 <= len(listing) <= len(ascii_uppercase):
        raise FieldError(f"{key!r} must be a list of 1 to {len(ascii_uppercase)} choices, is {shown(record[key])}")
    if not all(isinstance(choice, str | int | float) and not isinstance(choice, bool) for choice in listing):
        raise FieldError(f"{key!r} must be a list of texts, is {shown(listing)}")
    return dict(zip(ascii_uppercase, map(str, listing), strict=False))


def _answer(record: Any, choices: Mapping[str, str]) -> str | None:
    """The letter of the right choice; None where it is hidden."""
    key = present(record, ANSWER_KEYS)
    found = optional(record, key)
    if found is None or found in ("", -1, "-1"):
        return None
    texts = [letter for letter, choice in choices.items() if choice == found]
    if key != NUMBER_KEY and isinstance(found, str) and (found.strip() in choices or len(texts) == 1):
        return found.strip() if found.strip() in choices else texts[0]
    number = int(found) if isinstance(found, str) and found.isdecimal() else found
    if type(number) is not int or not 0 <= number < len(choices):
        given = shown(found) if isinstance(found, str | int) else kind(found)
        raise FieldError(f"{key!r} is {given}; it must be the number (from 0), the letter or the text of a choice")
    return list(choices)[number]
