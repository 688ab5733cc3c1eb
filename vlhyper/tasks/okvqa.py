"""OK-VQA: questions whose answer takes knowledge beyond the image."""

from vlhyper.tasks.task import Task

OKVQA = Task("okvqa", "okvqa question: {question}", scorer="okvqa", metrics=("overall",))
