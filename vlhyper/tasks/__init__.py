"""One short file a task, joined in the table TASKS. A new task is a file and a line here."""

from collections.abc import Iterable

from vlhyper.errors import UserError, nearest
from vlhyper.tasks.caption import CAPTION
from vlhyper.tasks.examples import Example, Examples, target_counts
from vlhyper.tasks.glue import TEXT_TASKS
from vlhyper.tasks.gqa import GQA
from vlhyper.tasks.okvqa import OKVQA
from vlhyper.tasks.snli_ve import SNLI_VE
from vlhyper.tasks.task import Decoding, Task, target
from vlhyper.tasks.vg_qa import VG_QA
from vlhyper.tasks.vqa import VQA

TASKS = {task.name: task for task in (VQA, VG_QA, GQA, CAPTION, OKVQA, SNLI_VE, *TEXT_TASKS)}


def find_task(name: str) -> Task:
    """The task of that name. Raises UserError with the nearest name and all there are."""
    if name not in TASKS:
        raise UserError(unknown_task(name, TASKS))
    return TASKS[name]


def unknown_task(name: str, valid: Iterable[str]) -> str:
    """What is said of a name that is not one of the `valid` tasks."""
    hint = nearest(name, valid)
    return f"unknown task {name!r}{hint}" + (f" Tasks are {', '.join(valid)}" if hint.endswith("?") else "")


__all__ = [
    "TASKS",
    "Decoding",
    "Example",
    "Examples",
    "Task",
    "find_task",
    "target",
    "target_counts",
    "unknown_task",
]
