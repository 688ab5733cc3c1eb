"""Questions about texts in pictures, scored by ANLS: DocVQA, InfographicVQA, ST-VQA, or records of a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlhyper.metrics.anls import anls_report
from vlhyper.metrics.report import Report
from vlhyper.readers.fields import number_id
from vlhyper.readers.gold import Gold
from vlhyper.readers.vqa_records import read_vqa_records_gold
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, a_switch


def _report(gold: Gold, answers: Mapping[Any, str], _: Mapping[str, Any]) -> Report:
    given = [answers[id] for id in gold.ids]
    return anls_report(gold.ids, given, gold.right, gold.clusters, gold.columns.get("kinds", ()))


DOCVQA = Scorer(
    name="docvqa",
    report=_report,
    layouts={"vqa-records": read_vqa_records_gold},
    right_of=lambda row: row["targets"],
    predictions=PredictionFile("questionId", "answer", number_id, (49153, "university of california")),
    options={"chat": a_switch},
)
