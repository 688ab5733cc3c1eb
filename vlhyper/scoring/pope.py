"""POPE: its own files, which hold questions and labels, and VLMEvalKit's tsv."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlhyper.metrics.pope import VARIANTS, pope_report
from vlhyper.metrics.report import Report
from vlhyper.readers.fields import number_id
from vlhyper.readers.gold import Gold
from vlhyper.readers.vqa_records import read_vqa_records_gold
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, a_switch, one_of


def _report(gold: Gold, answers: Mapping[Any, str], options: Mapping[str, Any]) -> Report:
    given, labels = [answers[id] for id in gold.ids], [right[0] for right in gold.right]
    variant = options.get("variant", "official")
    return pope_report(gold.ids, given, labels, gold.clusters, gold.columns.get("kinds", ()), variant)


POPE = Scorer(
    name="pope",
    report=_report,
    layouts={"vqa-records": read_vqa_records_gold},
    right_of=lambda row: row["targets"],
    predictions=PredictionFile("question_id", "answer", number_id, (1, "yes"), in_order=True),
    options={"variant": one_of(*VARIANTS, what="variant of POPE"), "chat": a_switch},
)
