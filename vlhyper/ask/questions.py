"""What a user asks: of which task, which questions, about which images. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from vlhyper.ask.images import Images
from vlhyper.errors import UserError
from vlhyper.files import small_file
from vlhyper.run.config import RunConfig
from vlhyper.run.tasks import AskedTask, asked_task
from vlhyper.tasks import unknown_task
from vlhyper.wording import kind

# A text, or the texts of a prompt by their names.
Question = str | Mapping[str, str]
# What is given in place of an image to ask from the text alone.
NO_IMAGE = "none"


def choose_task(config: RunConfig, where: Path, name: str | None = None) -> AskedTask:
    """The task of that name; where left out the first that takes a question, else the first that takes one text.

    Raises UserError for an unknown name, and where no task takes a text.
    """
    if name is not None and name not in config.tasks:
        raise UserError(f"{where}: {unknown_task(name, config.tasks)}")
    tasks = [asked_task(config, each) for each in config.tasks]
    if name is not None:
        return next(task for task in tasks if task.name == name)
    first = [task for task in tasks if task.kind.columns == ("question",)]
    first += [task for task in tasks if len(task.kind.columns) == 1]
    if not first:
        raise UserError(
            f"{where}: none of its tasks ({', '.join(config.tasks)}) takes one question; name a task with --task, and "
            "give its texts in a .jsonl file"
        )
    return first[0]


def caption_task(config: RunConfig, where: Path, name: str | None = None) -> AskedTask:
    """The task of that name, else the first that describes an image without being asked. Raises UserError for none."""
    named = [asked_task(config, each) for each in ([name] if name in config.tasks else config.tasks)]
    found = [task for task in named if not task.kind.columns]
    if not found or (name is not None and name not in config.tasks):
        has = ", ".join(config.tasks)
        raise UserError(f"{where}: has no task {name or 'caption'!r} that writes captions; it has {has}")
    return found[0]


def page_tasks(config: RunConfig, where: Path) -> list[AskedTask]:
    """The tasks that a page can ask: those that see an image and take one text or none. Raises UserError for none."""
    tasks = [asked_task(config, each) for each in config.tasks]
    found = [task for task in tasks if task.images and len(task.kind.columns) < 2]
    if not found:
        raise UserError(
            f"{where}: none of its tasks ({', '.join(config.tasks)}) sees an image with the method "
            f"{config.model.method!r}; ask it from the text alone: vlhyper ask {where} {NO_IMAGE} QUESTION"
        )
    return found


def prompt_of(task: AskedTask, question: Question) -> str:
    """The prompt of a question. Raises UserError where the task takes other texts."""
    columns = task.kind.columns
    if isinstance(question, str):
        if len(columns) > 1 or (question and not columns):
            takes = (
                f"takes the texts {', '.join(columns)}: name them in a .jsonl file" if columns else "takes no question"
            )
            raise UserError(f"task {task.name} {takes}; its prompt is {task.kind.prompt!r}")
        question = dict.fromkeys(columns, question)
    for name in columns:
        if not str(question.get(name) or "").strip():
            raise UserError(f"task {task.name}: the {name} of its prompt {task.kind.prompt!r} is empty or missing")
    return task.kind.prompt_of(question)


def read_questions(text: str) -> list[Question]:
    """One question, or those of a file: a line each, or of .jsonl an object each with the texts of a prompt.

    Raises UserError that names file and line.
    """
    path = Path(text)
    # A question may be longer than a file's name can be.
    if len(text) > 255 or not (path.suffix in (".txt", ".jsonl") and path.exists()):
        return [text]
    try:
        lines = small_file(path, "a file of questions").read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise UserError(f"{path}: contains no questions; write one a line")
    if path.suffix == ".txt":
        return [line for _, line in numbered]
    return [_texts(path, number, line) for number, line in numbered]


def _texts(path: Path, number: int, line: str) -> dict[str, str]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise UserError(f"{path}: line {number}: not JSON ({error}); write an object of texts") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UserError(f"{path}: line {number}: is {kind(found)}; write an object of texts")
    return found


def find_pictures(image: str, task: AskedTask, seen: Images) -> list[str] | None:
    """The files of a folder, a file or an id; None where there is to be no image.

    Raises UserError for what is none of these, and for an image that the task does not see.
    """
    if image == NO_IMAGE and not Path(image).exists():
        return None
    if not task.images:
        method = seen.config.model.method
        why = f"method {method!r} sees no images" if task.kind.sees_image else f"task {task.name!r} is about text alone"
        raise UserError(f"{seen.where}: {why}; write {NO_IMAGE} in place of the image to ask from the text alone")
    seen.require(image)
    if not Path(image).is_dir():
        return [image]
    from feature_extraction.listing import find_images

    return [str(path) for path in find_images([Path(image)]).values()]
