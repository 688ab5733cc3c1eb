"""Visual Genome's questions: training data under VQA's prompt, with a task embedding of its own. Nobody scores them."""

from vlhyper.tasks.task import Task
from vlhyper.tasks.vqa import VQA

VG_QA = Task("vg_qa", VQA.prompt, scorer=VQA.scorer, metrics=())
