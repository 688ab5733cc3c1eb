"""GQA: its questions files, official and LXMERT's, or rows with one answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlhyper.metrics.gqa import gqa_report
from vlhyper.metrics.report import Report
from vlhyper.readers.fields import text_id
from vlhyper.readers.gold import Gold, best_target
from vlhyper.readers.gqa import gqa_question_ids, read_choices, read_gqa_gold
from vlhyper.readers.source import Source
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, Server, a_switch


def _report(gold: Gold, answers: Mapping[Any, str], options: Mapping[str, Any]) -> Report:
    scored = list(gold.ids)
    known = dict(zip(scored, gold.right, strict=True)) | {id: one for id, one in gold.others.items() if one}
    choices = options.get("choices")
    return gqa_report(known, answers, scored, None if choices is None else read_choices(choices, scored))


def _question_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """What GQA's metrics need of a question, as far as a row tells it."""
    known = {"question": row["question"]} if "question" in row else {}
    return known | {"imageId": row["image"] or None, "answer": best_target(row)}


def _asked(path: Path) -> list[str]:
    return gqa_question_ids(Source({"questions": (path,)}))


GQA = Scorer(
    name="gqa",
    report=_report,
    layouts={"gqa": read_gqa_gold, "vl-t5": None},
    right_of=_question_of_row,
    predictions=PredictionFile("questionId", "prediction", text_id, ("201307251", "no")),
    truth="questions",
    files=("choices",),
    options={"chat": a_switch},
    server=Server(_asked),
)
