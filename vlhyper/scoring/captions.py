"""Captions: the references of COCO's captions files and of Karpathy's, or rows with several wordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlhyper.metrics.report import Report
from vlhyper.readers.coco import coco_image_ids, read_caption_gold, read_karpathy_gold
from vlhyper.readers.fields import number_id
from vlhyper.readers.gold import Gold
from vlhyper.readers.references import read_references_gold
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, Server, a_switch, a_text


def _report(gold: Gold, answers: Mapping[Any, str], options: Mapping[str, Any]) -> Report:
    from vlhyper.metrics.captions.scores import caption_report, scorers_named

    given = [answers[id] for id in gold.ids]
    wanted = options.get("metrics") or scorers_named(None)
    report = caption_report(gold.ids, given, gold.right, wanted, options.get("progress", False))
    if "cider" in wanted and len(gold.ids) == 1:
        report.notes.append("over one image CIDEr is 0 by definition: it weighs words by how few images have them")
    return report


def _some_metrics(value: Any, name: str) -> list[str]:
    from vlhyper.metrics.captions.scores import scorers_named

    return scorers_named(value)


CAPTION = Scorer(
    name="caption",
    report=_report,
    layouts={"coco-captions": read_caption_gold, "karpathy": read_karpathy_gold, "references": read_references_gold},
    right_of=lambda row: row["targets"],
    predictions=PredictionFile("image_id", "caption", number_id, (391895, "a man riding a bike")),
    options={"split": a_text, "metrics": _some_metrics, "complete": a_switch, "progress": a_switch},
    server=Server(coco_image_ids),
)
