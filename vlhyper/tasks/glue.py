"""The text tasks: GLUE's eight and the four few-shot ones, rows of one table."""

from vlhyper.published import LABELS
from vlhyper.tasks.task import Task

ACCURACY = ("accuracy",)
ACCURACY_AND_F1 = ("accuracy", "f1")
# Every multiple of 0.2 from 0.0 to 5.0.
SIMILARITY = tuple(f"{step / 5:.1f}" for step in range(26))

# name: the prompt behind it, the scorer, the metrics that count in the validation mean.
TABLE = {
    "cola": ("sentence: {sentence}", "glue:cola", ("matthews",)),
    "sst2": ("sentence: {sentence}", "glue:sst2", ACCURACY),
    "mrpc": ("sentence1: {sentence1} sentence2: {sentence2}", "glue:mrpc", ACCURACY_AND_F1),
    "qqp": ("question1: {question1} question2: {question2}", "glue:qqp", ACCURACY_AND_F1),
    "stsb": ("sentence1: {sentence1} sentence2: {sentence2}", "glue:stsb", ("pearson", "spearman")),
    "mnli": ("hypothesis: {hypothesis} premise: {premise}", "glue:mnli", ACCURACY),
    "qnli": ("question: {question} sentence: {sentence}", "glue:qnli", ACCURACY),
    "rte": ("sentence1: {sentence1} sentence2: {sentence2}", "glue:rte", ACCURACY),
    "cb": ("hypothesis: {hypothesis} premise: {premise}", "cb", ACCURACY),
    "boolq": ("question: {question} context: {context}", "boolq", ACCURACY),
    "imdb": ("sentence: {sentence}", "imdb", ACCURACY),
    "paws": ("sentence1: {sentence1} sentence2: {sentence2}", "paws", ACCURACY),
}


# Prompts of the others fit into 64 tokens.
LONG = dict.fromkeys(("mrpc", "qqp", "mnli", "qnli", "paws"), 128)
LONG |= {"rte": 256, "cb": 256, "boolq": 512, "imdb": 512}


def _task(name: str, prompt: str, scorer: str, metrics: tuple[str, ...]) -> Task:
    return Task(
        name,
        f"{name} {prompt}",
        scorer=scorer,
        metrics=metrics,
        labels=LABELS.get(name, SIMILARITY),
        sees_image=False,
        max_source_tokens=LONG.get(name, 64),
    )


TEXT_TASKS = tuple(_task(name, *row) for name, row in TABLE.items())
