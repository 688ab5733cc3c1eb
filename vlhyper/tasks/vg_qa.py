"""Visual Genome's questions: training data under VQA's prompt, with a task embedding of its own."""

from collections.abc import Mapping

from vlhyper.tasks.task import Submission, Task
from vlhyper.tasks.vqa import VQA


def submit(answers: Mapping[str, str]) -> Submission:
    """No server scores it; VQA's form with the ids as they are (`vg_986768` in VL-T5's file)."""
    return [{"question_id": id, "answer": answer} for id, answer in answers.items()]


VG_QA = Task("vg_qa", VQA.prompt, "", (), submit)
