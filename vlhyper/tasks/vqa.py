"""VQA v2: short answers to questions about COCO images."""

from collections.abc import Mapping

from vlhyper.tasks.task import Submission, Task, numbered


def submit(answers: Mapping[str, str]) -> Submission:
    """What the VQA test server reads."""
    return [{"question_id": numbered(id), "answer": answer} for id, answer in answers.items()]


VQA = Task("vqa", "vqa question: {question}", "vqa", ("overall",), submit)
