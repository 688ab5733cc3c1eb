"""SNLI-VE: does the image entail a sentence? The image is the premise, the sentence after `premise:` the hypothesis."""

from collections.abc import Mapping

from vlhyper.tasks.task import Submission, Task

LABELS = ("entailment", "neutral", "contradiction")


def submit(answers: Mapping[str, str]) -> Submission:
    return [{"pairID": id, "prediction": answer} for id, answer in answers.items()]


SNLI_VE = Task("snli-ve", "snli-ve premise: {hypothesis}", "snli-ve", ("accuracy",), submit, labels=LABELS)
