"""The table of scorers. A scorer is a row of it, also one that a module outside the package adds."""

from __future__ import annotations

from vlhyper.errors import UserError, nearest
from vlhyper.scoring.captions import CAPTION
from vlhyper.scoring.docvqa import DOCVQA
from vlhyper.scoring.gqa import GQA
from vlhyper.scoring.labels import SNLI_VE, TEXT_SCORERS
from vlhyper.scoring.multiple_choice import MULTIPLE_CHOICE
from vlhyper.scoring.pope import POPE
from vlhyper.scoring.scorer import Scorer
from vlhyper.scoring.vqa import OKVQA, VQA
from vlhyper.wording import kind

SCORERS: dict[str, Scorer] = {
    "vqa": VQA,
    "okvqa": OKVQA,
    "gqa": GQA,
    "caption": CAPTION,
    "docvqa": DOCVQA,
    "multiple-choice": MULTIPLE_CHOICE,
    "pope": POPE,
    "snli-ve": SNLI_VE,
    **TEXT_SCORERS,
}
SPELLINGS = {
    "anls": "docvqa",
    "multiple_choice": "multiple-choice",
    "mcq": "multiple-choice",
    "scienceqa": "multiple-choice",
    "infographicvqa": "docvqa",
    "st-vqa": "docvqa",
    "snli_ve": "snli-ve",
    "captions": "caption",
    "sst-2": "sst2",
    "sts-b": "stsb",
}


def find_scorer(task: str) -> Scorer:
    """The row of a task, named as in the table, or as `cola`, `superglue:cb`. Raises UserError for an unknown one."""
    if not isinstance(task, str):
        raise UserError(f"task is {kind(task)}; it must be one of {', '.join(SCORERS)}")
    if task in SCORERS:
        return SCORERS[task]
    suite, _, short = task.lower().rpartition(":")
    if suite in ("", "glue", "superglue"):
        short = SPELLINGS.get(short, short)
        for name in (short, f"glue:{short}"):
            if name in SCORERS:
                return SCORERS[name]
    raise UserError(f"unknown task {task!r}{nearest(task, SCORERS)}")
