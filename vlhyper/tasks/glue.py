"""The text tasks: GLUE's eight and the four few-shot ones, rows of one table."""

from collections.abc import Mapping

from vlhyper.tasks.task import Submission, Task

ACCURACY = ("accuracy",)
ACCURACY_AND_F1 = ("accuracy", "f1")
SENTIMENT = ("positive", "negative")
ENTAILED = ("entailment", "not_entailment")
INFERENCE = ("entailment", "neutral", "contradiction")
EQUIVALENT = ("equivalent", "not_equivalent")
# Every multiple of 0.2 from 0.0 to 5.0.
SIMILARITY = tuple(f"{step / 5:.1f}" for step in range(26))

# name: the prompt behind it, the figures that stand for it, the answers it may give.
TABLE = {
    "cola": ("sentence: {sentence}", ("matthews",), ("acceptable", "unacceptable")),
    "sst2": ("sentence: {sentence}", ACCURACY, SENTIMENT),
    "mrpc": ("sentence1: {sentence1} sentence2: {sentence2}", ACCURACY_AND_F1, EQUIVALENT),
    "qqp": ("question1: {question1} question2: {question2}", ACCURACY_AND_F1, ("duplicate", "not_duplicate")),
    "stsb": ("sentence1: {sentence1} sentence2: {sentence2}", ("pearson", "spearman"), SIMILARITY),
    "mnli": ("hypothesis: {hypothesis} premise: {premise}", ACCURACY, INFERENCE),
    "qnli": ("question: {question} sentence: {sentence}", ACCURACY, ENTAILED),
    "rte": ("sentence1: {sentence1} sentence2: {sentence2}", ACCURACY, ENTAILED),
    "cb": ("hypothesis: {hypothesis} premise: {premise}", ACCURACY, INFERENCE),
    "boolq": ("question: {question} context: {context}", ACCURACY, ("True", "False")),
    "imdb": ("sentence: {sentence}", ACCURACY, SENTIMENT),
    "paws": ("sentence1: {sentence1} sentence2: {sentence2}", ACCURACY, EQUIVALENT),
}


def submit(answers: Mapping[str, str]) -> Submission:
    return [{"id": id, "prediction": answer} for id, answer in answers.items()]


# Prompts of the others fit into 64 tokens.
LONG = dict.fromkeys(("mrpc", "qqp", "mnli", "qnli", "paws"), 128)
LONG |= {"rte": 256, "cb": 256, "boolq": 512, "imdb": 512}


def _task(name: str, prompt: str, figures: tuple[str, ...], labels: tuple[str, ...]) -> Task:
    return Task(
        name,
        f"{name} {prompt}",
        f"glue:{name}",
        figures,
        submit,
        labels=labels,
        sees_image=False,
        max_source_tokens=LONG.get(name, 64),
    )


TEXT_TASKS = tuple(_task(name, *row) for name, row in TABLE.items())
