"""Files for test servers: every question once, in the server's format, checked before a try of the day is spent.

VQA's test server (EvalAI) takes [{"question_id": 458752000, "answer": "skateboard"}], one record for every question of
the test file; GQA's [{"questionId": "201307251", "prediction": "no"}]; COCO's [{"image_id": 391895, "caption": ""}].
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.files import write_json, writing
from vlhyper.metrics import caption_files, gqa, vqa
from vlhyper.metrics.gqa_files import read_questions
from vlhyper.metrics.reading import (
    Source,
    field_of,
    kind,
    load_json,
    match_ids,
    name_of,
    some,
    whole_number,
    without_doubles,
)
from vlhyper.metrics.report import Report
from vlhyper.metrics.vqa_files import question_ids


@dataclass(frozen=True)
class Server:
    """How one task's server wants its file: names of id and text, who reads predictions, who lists the test items."""

    id_key: str
    text_key: str
    read: Callable[[Source], Mapping[Any, str]]
    asked: Callable[[str], Sequence[Any]]


def image_ids(images: str) -> list[int]:
    """The ids of a COCO file that lists images, such as image_info_test2014.json."""
    value = load_json(images)
    if not isinstance(value, Mapping) or not isinstance(value.get("images"), list):
        raise UserError(f"{images}: holds {kind(value)} without a list 'images'; give COCO's image_info file")
    places = ((f"{images}: image {index}", record) for index, record in enumerate(value["images"]))
    found = [whole_number(field_of(record, "id", where), "id", where) for where, record in places]
    return without_doubles(found, images)


def _gqa_ids(questions: str) -> list[str]:
    return list(read_questions(questions, answered=False))


SERVERS = {
    "vqa": Server("question_id", "answer", vqa.read_predictions, question_ids),
    "okvqa": Server("question_id", "answer", vqa.read_predictions, question_ids),
    "gqa": Server("questionId", "prediction", gqa.read_predictions, _gqa_ids),
    "caption": Server("image_id", "caption", caption_files.read_predictions, image_ids),
}


def submit(
    task: str, *, questions: str | os.PathLike[str], submission: str, predictions: Source | None = None
) -> Report:
    """Check predictions against the test questions and write them to `submission` as the server wants them.

    predictions: None checks the file `submission` itself and writes nothing. Raises UserError that names missing,
    unknown and doubled ids, and for a task without a server.
    """
    task = task.lower()
    if task not in SERVERS:
        raise UserError(f"no server takes files for {task!r}{nearest(task, SERVERS)}")
    server = SERVERS[task]
    source = submission if predictions is None else predictions
    given = server.read(source)
    asked = server.asked(os.fspath(questions))
    if predictions is None:
        _check_id_kinds(submission, server)
    match_ids(given, asked, source=source, against=name_of(questions), partial=False)
    records = [{server.id_key: identifier, server.text_key: given[identifier]} for identifier in asked]
    if predictions is not None:
        with writing(submission):
            write_json(submission, records)
    why = "the test answers are not public; the server scores the file"
    settings = {"submission": submission, "written": predictions is not None}
    return Report(task=task, n=len(records), metrics={}, skipped={"scores": why}, settings=settings, ids=asked)


def _check_id_kinds(submission: str, server: Server) -> None:
    """Scoring here takes an id in quotes for a number; the servers do not."""
    if server is SERVERS["gqa"]:
        return
    quoted = [record[server.id_key] for record in load_json(submission) if isinstance(record[server.id_key], str)]
    if quoted:
        raise UserError(
            f"{submission}: {len(quoted)} ids are texts ({some(quoted)}); the server takes numbers: "
            "give the file as --predictions to have it written right"
        )
