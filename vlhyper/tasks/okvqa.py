"""OK-VQA: questions whose answer takes knowledge beyond the image."""

from vlhyper.tasks.task import Task
from vlhyper.tasks.vqa import submit

OKVQA = Task("okvqa", "okvqa question: {question}", "okvqa", ("overall",), submit)
