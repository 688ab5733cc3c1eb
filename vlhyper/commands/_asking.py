"""What `ask` and `caption` do with their words."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import typer

from vlhyper.ask.answers import percent
from vlhyper.ask.images import Images
from vlhyper.ask.questions import find_pictures, prompt_of
from vlhyper.console import say, tracked
from vlhyper.errors import UserError

if TYPE_CHECKING:
    from vlhyper.ask.answers import Answer, Said
    from vlhyper.ask.asker import Asker
    from vlhyper.ask.questions import Question
    from vlhyper.run.config import RunConfig
    from vlhyper.run.tasks import AskedTask


def answered(
    run: Path,
    config: RunConfig,
    task: AskedTask,
    image: str,
    questions: Sequence[Question],
    overrides: Sequence[str],
    weights: str | None,
    encoder: str | None,
    others: int,
    as_json: bool,
    map_to: Path | None = None,
) -> None:
    """Answer, and print; with map_to draw what the answer depended on."""
    pictures = find_pictures(image, task, Images(config, run))
    if map_to is not None:
        _require_one(pictures, questions, image)
    for question in questions:
        prompt_of(task, question)
    from vlhyper.ask.asker import Asker

    asker = Asker(run, weights, encoder, overrides)
    # The encoder is part of the start; ids of the run's features need none.
    if not all(map(asker.images.knows, pictures or ())):
        _ = asker.images.encoder
    began = time.monotonic()
    count = len(questions) * (1 if pictures is None else len(pictures))
    asked = asker.ask_all(pictures, questions, task, others)
    found: list[tuple[Any, Question, Answer]] = list(asked if count == 1 else tracked(asked, "ask", count, "questions"))
    if not found:
        raise UserError(f"{image}: none of its images can be read (see above); give others")
    spent, total = time.monotonic() - began, time.time() - psutil.Process().create_time()
    if as_json:
        print(_json(found, several=count > 1))
    else:
        for picture, question, answer in found:
            _show(picture, question, answer)
    if map_to is not None:
        _save_map(asker, image, questions[0], found[0][2], task, map_to)
    say(f"{len(found)} answered in {spent:.1f} s; {total:.1f} s with the start")


def _require_one(pictures: Sequence[str] | None, questions: Sequence[Question], image: str) -> None:
    if pictures is None or len(pictures) * len(questions) != 1 or not Path(image).is_file():
        raise UserError(f"{image}: --map draws one answer on its picture; give one image file and one question")


def _save_map(asker: Asker, image: str, question: Question, answer: Answer, task: AskedTask, path: Path) -> None:
    from vlhyper.ask.maps import draw_map
    from vlhyper.show.heat import save_map

    found = draw_map(asker, image, question, answer.answer, task.name)
    asked = " — ".join(filter(None, (*_texts(question), f"{answer.answer} ({answer.probability:.0%})")))
    save_map(asker.images.picture(image), found.cells, path, asked, found.told)
    say(f"{path}: {found.told}")


def _texts(question: Question) -> list[str]:
    return [question] if isinstance(question, str) else list(question.values())


def _json(found: Sequence[tuple[Any, Question, Answer]], several: bool) -> str:
    told = [{"image": picture, "question": question} | answer.to_json() for picture, question, answer in found]
    return json.dumps(told if several else found[0][2].to_json(), ensure_ascii=False, indent=2)


def _show(picture: str | None, question: Question, answer: Answer) -> None:
    typer.echo(" — ".join(filter(None, (picture, " · ".join(_texts(question))))))
    typer.echo(_line(answer))
    for other in answer.others:
        typer.echo(_line(other))
    if answer.without_image is not None:
        typer.echo(f"{_line(answer.without_image)}   (without the image)")


def _line(said: Answer | Said) -> str:
    return f"  {percent(said.probability):>6}  {said.answer or '(nothing)'}"
