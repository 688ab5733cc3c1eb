"""Scorers of vision-and-language and text tasks: pure functions of strings, equal to the official programs.

`score(task, predictions=..., ...)` scores files or lists of records; the other names score texts. Every figure is × 100
and unrounded, lists run in step, and nothing here imports torch.

    from vlhyper.metrics import score, vqa_accuracy
    score("vqa", predictions=[{"question_id": 1, "answer": "no"}], annotations="annotations.json").metrics["overall"]
    vqa_accuracy("2", ["two"] * 3 + ["3"] * 7)
"""

from vlhyper.metrics.captions import caption_scores
from vlhyper.metrics.gqa import gqa_distribution
from vlhyper.metrics.labels import f1, label_accuracy, matthews, pearson, spearman
from vlhyper.metrics.normalise import normalise_answer
from vlhyper.metrics.ptb import ptb_tokenize
from vlhyper.metrics.report import Report
from vlhyper.metrics.scoring import TASKS, score
from vlhyper.metrics.vqa import vqa_accuracy

__all__ = [
    "TASKS",
    "Report",
    "caption_scores",
    "f1",
    "gqa_distribution",
    "label_accuracy",
    "matthews",
    "normalise_answer",
    "pearson",
    "ptb_tokenize",
    "score",
    "spearman",
    "vqa_accuracy",
]
