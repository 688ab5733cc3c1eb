"""GQA: compositional questions with one right answer."""

from vlhyper.tasks.task import Task

GQA = Task("gqa", "gqa question: {question}", scorer="gqa", metrics=("accuracy",))
