"""GQA: compositional questions with one right answer."""

from collections.abc import Mapping

from vlhyper.tasks.task import Submission, Task


def submit(answers: Mapping[str, str]) -> Submission:
    """What GQA's eval.py and its test server read."""
    return [{"questionId": id, "prediction": answer} for id, answer in answers.items()]


GQA = Task("gqa", "gqa question: {question}", "gqa", ("accuracy",), submit)
