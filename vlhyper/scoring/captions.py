"""Captions: the references of COCO's captions files and of Karpathy's, or rows with several wordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.metrics.report import Report, SummedMetric
from vlhyper.readers.coco import coco_image_ids, read_caption_gold, read_karpathy_gold
from vlhyper.readers.fields import number_id
from vlhyper.readers.gold import Gold
from vlhyper.readers.instances import segmented_objects
from vlhyper.readers.pictures import picture_files
from vlhyper.readers.references import read_references_gold
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, Server, a_path, a_switch, a_text
from vlhyper.wording import kind


def _report(gold: Gold, answers: Mapping[Any, str], options: Mapping[str, Any]) -> Report:
    from vlhyper.metrics.captions.scores import METRICS, caption_report, scorers_named

    given = [answers[id] for id in gold.ids]
    wanted = options.get("metrics") or scorers_named(None)
    _require(wanted, options)
    if tokenised := [name for name in wanted if name in METRICS]:
        report = caption_report(gold.ids, given, gold.right, tokenised, options.get("progress", False))
    else:
        report = Report("caption", len(gold.ids), {}, ids=gold.ids)
    if "cider" in wanted and len(gold.ids) == 1:
        report.notes.append("over one image CIDEr is 0 by definition: it weighs words by how few images have them")
    if BY_CLIP & set(wanted):
        _add_clip_scores(report, gold, given, wanted, options)
    if "chair" in wanted:
        _add_chair(report, gold, given, options["instances"])
    return report


def _require(wanted: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raises UserError where a metric lacks what it is computed from."""
    for names, inputs in NEEDS.items():
        asked, lacking = names & set(wanted), [text for name, text in inputs.items() if options.get(name) is None]
        if asked and lacking:
            raise UserError(f"{' and '.join(sorted(asked))} of captions needs {' and '.join(lacking)}")


def _add_clip_scores(
    report: Report, gold: Gold, given: Sequence[str], wanted: Sequence[str], options: Mapping[str, Any]
) -> None:
    from vlhyper.metrics.captions.clipscore import clip_scores

    clip, files = options["clip"], picture_files(options["images"], gold.ids, gold.names)
    plain, by_references = clip_scores(clip, files, given, gold.right if "refclipscore" in wanted else None)
    if "clipscore" in wanted:
        report.add("CLIPScore", plain)
    if "refclipscore" in wanted:
        report.add("RefCLIPScore", by_references)
    report.settings |= {"clip": clip.name, "precision": clip.precision}


def _add_chair(report: Report, gold: Gold, given: Sequence[str], instances: Path) -> None:
    from vlhyper.metrics.captions.chair import chair_counts, chair_i
    from vlhyper.metrics.captions.coco_words import WORDS

    counts = chair_counts(given, gold.right, segmented_objects(instances, gold.ids, list(WORDS)))
    report.add("CHAIRs", [100.0 * (wrong > 0) for wrong, _ in counts])
    named = sum(number for _, number in counts)
    if named == 0:
        report.skipped["CHAIRi"] = "no caption names an object of COCO"
        return
    before = report.summed
    report.metrics["CHAIRi"] = 100 * (sum(wrong for wrong, _ in counts) / named)
    shares = [100 * (wrong / number) if number else 0.0 for wrong, number in counts]
    report.items = {**report.items, "CHAIRi": shares}
    report.summed = lambda: before() | {("CHAIRi",): SummedMetric(None, counts, chair_i)}


def _some_metrics(value: Any, name: str) -> list[str]:
    from vlhyper.metrics.captions.scores import METRICS, ON_REQUEST, scorers_named

    return scorers_named(value, METRICS | ON_REQUEST)


def _a_clip(value: Any, name: str) -> Any:
    if not all(callable(getattr(value, method, None)) for method in ("images", "texts")):
        raise UserError(f"{name} is {kind(value)}; it must be a CLIP, such as feature_extraction.clip.load_clip gives")
    return value


BY_CLIP = frozenset({"clipscore", "refclipscore"})
NEEDS: dict[frozenset[str], dict[str, str]] = {
    BY_CLIP: {"images": "--images, the folder of the images", "clip": "--clip-weights, the weights of a CLIP"},
    frozenset({"chair"}): {"instances": "--instances, COCO's instances_val2014.json"},
}
CAPTION = Scorer(
    name="caption",
    report=_report,
    layouts={"coco-captions": read_caption_gold, "karpathy": read_karpathy_gold, "references": read_references_gold},
    right_of=lambda row: row["targets"],
    predictions=PredictionFile("image_id", "caption", number_id, (391895, "a man riding a bike")),
    options={
        "split": a_text,
        "metrics": _some_metrics,
        "complete": a_switch,
        "progress": a_switch,
        "images": a_path,
        "instances": a_path,
        "clip": _a_clip,
    },
    server=Server(coco_image_ids),
)
