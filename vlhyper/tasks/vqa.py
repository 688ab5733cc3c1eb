"""VQA v2: short answers to questions about COCO images."""

from vlhyper.tasks.task import Task

VQA = Task("vqa", "vqa question: {question}", scorer="vqa", metrics=("overall",))
