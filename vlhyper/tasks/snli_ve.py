"""SNLI-VE: does the image entail a sentence? The image is the premise, the sentence after `premise:` the hypothesis."""

from vlhyper.published import LABELS
from vlhyper.tasks.task import Task

SNLI_VE = Task(
    "snli-ve",
    "snli-ve premise: {hypothesis}",
    scorer="snli-ve",
    metrics=("accuracy",),
    labels=LABELS["snli-ve"],
)
