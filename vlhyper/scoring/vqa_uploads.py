"""What the test servers of data sets in one file take: VizWiz's and A-OKVQA's differ from VQA's.

VizWiz's (EvalAI) takes [{"image": "VizWiz_test_00000000.jpg", "answer": "grey"}], A-OKVQA's leaderboard
{"22MexNkBPpdZGX6sxbxVBH": {"multiple_choice": "cab", "direct_answer": "cab"}}, either of the two for all questions or
both. Source: the README of A-OKVQA's repository; of VizWiz's server no program was found to hold the form against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vlhyper.console import say
from vlhyper.errors import UserError
from vlhyper.files import write_json
from vlhyper.readers.streams import json_value
from vlhyper.readers.vqa import question_ids
from vlhyper.readers.vqa_records import is_vqa_records, read_asked
from vlhyper.scoring.predictions import PredictionFile, read_upload
from vlhyper.scoring.scorer import Server
from vlhyper.wording import named, shown

DIRECT, CHOICE = "direct_answer", "multiple_choice"
Choices = Mapping[Any, Sequence[str] | None]


def vqa_server(questions: Path) -> Server:
    """The server whose test questions these are."""
    if not is_vqa_records(questions):
        return Server(question_ids)
    found = read_asked(questions)
    ids = [one.id for one in found]
    if found and all(one.is_image for one in found):
        return Server(lambda _: ids, _write_vizwiz, _read_vizwiz)
    if found and all(one.choices for one in found):
        choices = {one.id: one.choices for one in found}
        return Server(lambda _: ids, partial(_write_aokvqa, choices), partial(_read_aokvqa, choices))
    return Server(lambda _: ids)


def _write_vizwiz(path: Path, form: PredictionFile, answers: Mapping[Any, str]) -> None:
    write_json(path, [{"image": id, "answer": text} for id, text in answers.items()])


def _read_vizwiz(path: Path, form: PredictionFile) -> Mapping[Any, str]:
    given = json_value(path)
    records = given if isinstance(given, list) else [given]
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict) or record.keys() != {"image", "answer"}:
            told = f'record {number} is {shown(record)}; write it like {{"image": "VizWiz_test_00000000.jpg"'
            raise UserError(f'{path}: {told}, "answer": "grey"}}, or give the file as --predictions')
    return read_upload(path, PredictionFile("image", "answer", form.as_id, ("VizWiz_test_00000000.jpg", "grey")))


def _write_aokvqa(choices: Choices, path: Path, form: PredictionFile, answers: Mapping[Any, str]) -> None:
    """Direct answers; where every answer is one of its choices, these too."""
    strange = [id for id, text in answers.items() if text not in (choices[id] or ())]
    keys = (DIRECT,) if strange else (CHOICE, DIRECT)
    if strange:
        say(
            f"{path}: has direct answers alone; {len(strange)} of {len(answers)} answers are none of their question's "
            f"choices ({named(strange[0])}: {shown(answers[strange[0]])})"
        )
    write_json(path, {str(id): dict.fromkeys(keys, text) for id, text in answers.items()})


def _read_aokvqa(choices: Choices, path: Path, form: PredictionFile) -> Mapping[Any, str]:
    given = json_value(path)
    if not isinstance(given, dict):
        raise UserError(f'{path}: must be an object {{id: {{"{DIRECT}": "cab"}}}}; give the file as --predictions')
    found: dict[Any, str] = {}
    tracks = None
    for key, answer in given.items():
        id = form.as_id(key, "id")
        kept = isinstance(answer, dict) and {name: text for name, text in answer.items() if isinstance(text, str)}
        if not kept or kept != answer or not kept.keys() <= {DIRECT, CHOICE}:
            raise UserError(f'{path}: {named(key)} is {shown(answer)}; write it like {{"{DIRECT}": "cab"}}')
        if tracks not in (None, set(kept)):
            raise UserError(f"{path}: {named(key)} has {' and '.join(kept)}, others differ; give all the same")
        if CHOICE in kept and id in choices and kept[CHOICE] not in (choices[id] or ()):
            raise UserError(f"{path}: {named(key)}: {shown(kept[CHOICE])} is none of its choices; correct it")
        tracks = set(kept)
        found[id] = kept.get(DIRECT, kept.get(CHOICE, ""))
    return found
