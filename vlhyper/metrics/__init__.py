"""Scorers of vision-and-language and text tasks: pure functions of strings, equal to the official programs.

Every metric is × 100 and unrounded, lists run in step, and nothing here imports torch. Files are read and scored by
`vlhyper.scoring`.

    from vlhyper.metrics import vqa_accuracy
    vqa_accuracy("2", ["two"] * 3 + ["3"] * 7)
"""

from vlhyper.metrics.anls import anls
from vlhyper.metrics.captions.ptb import ptb_tokenize
from vlhyper.metrics.captions.scores import caption_scores
from vlhyper.metrics.gqa import gqa_distribution
from vlhyper.metrics.labels import f1, label_accuracy, matthews, pearson, spearman
from vlhyper.metrics.normalise import normalise_answer
from vlhyper.metrics.report import Report
from vlhyper.metrics.vqa import vqa_accuracy

__all__ = [
    "Report",
    "anls",
    "caption_scores",
    "f1",
    "gqa_distribution",
    "label_accuracy",
    "matthews",
    "normalise_answer",
    "pearson",
    "ptb_tokenize",
    "spearman",
    "vqa_accuracy",
]
