"""COCO captions: BLEU, METEOR, ROUGE-L, CIDEr and SPICE, all references of an image, PTB-tokenised.

The figures are those of pycocoevalcap's COCOEvalCap. Its scorers and programs are run, side by side; one that cannot
run is skipped with the reason, and the others count.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from vlhyper.console import progress as progress_bar
from vlhyper.errors import JobError, UserError, first_few, nearest
from vlhyper.metrics import ngram, spice
from vlhyper.metrics.caption_files import read_predictions, read_references
from vlhyper.metrics.corpus import bleu_of, meteor_of
from vlhyper.metrics.meteor import meteor
from vlhyper.metrics.programs import Programs
from vlhyper.metrics.ptb import ptb_tokenize
from vlhyper.metrics.reading import Source, name_of
from vlhyper.metrics.report import Figure, Place, Report, mean_of

# What each scorer gives, in the order of COCOEvalCap.
SCORERS = {
    "bleu": ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"),
    "meteor": ("METEOR",),
    "rouge": ("ROUGE-L",),
    "cider": ("CIDEr",),
    "spice": ("SPICE",),
}
Result = tuple[dict[str, float], dict[str, list[float]], dict[Place, Figure]]
References = Sequence[Sequence[str]]


def scorers_named(wish: str | Sequence[str] | None) -> list[str]:
    """The scorers of a list like "bleu,cider" (None: all), in their usual order. Raises UserError for unknown ones."""
    if wish is None:
        return list(SCORERS)
    names = [name.strip().lower() for name in (wish.split(",") if isinstance(wish, str) else wish)]
    for name in names:
        if name not in SCORERS:
            raise UserError(f"unknown caption metric {name!r}{nearest(name, SCORERS)}")
    return [name for name in SCORERS if name in names]


def score_caption(
    predictions: Source,
    *,
    annotations: str,
    split: str | None = None,
    metrics: str | Sequence[str] | None = None,
    complete: bool = False,
    partial: bool = False,
    progress: bool = False,
) -> Report:
    """Score a COCO results file (or list) against COCO's captions or Karpathy's dataset_coco.json (by path).

    The images that have a prediction are scored, as COCOEvalCap does; complete: a missing one is an error.
    metrics: some of bleu, meteor, rouge, cider, spice. progress: show a bar.
    """
    scorers = scorers_named(metrics)
    references = read_references(annotations, split)
    given = read_predictions(predictions)
    unknown = [image for image in given if image not in references]
    if unknown:
        raise UserError(
            f"{name_of(predictions)}: {len(unknown)} images are not in {annotations} ({first_few(unknown)}); "
            "give the captions file of this split"
        )
    missing = [image for image in references if image not in given]
    if missing and complete:
        raise UserError(
            f"{name_of(predictions)}: {len(missing)} of {len(references)} images have no caption "
            f"({first_few(missing)}); caption them, or leave --complete out"
        )
    if not given:
        raise UserError(f"{name_of(predictions)}: no caption to score")
    ids = [image for image in references if image in given]
    report = caption_report(
        ids, [given[image] for image in ids], [references[image] for image in ids], scorers, progress
    )
    report.total = len(references)
    return report


def caption_scores(
    captions: Sequence[str], references: References, metrics: str | Sequence[str] | None = None
) -> Report:
    """Score captions against their references, both in step and as people write them; every figure × 100.

    >>> caption_scores(["a dog runs"], [["The dog runs.", "A dog is running."]], "bleu").metrics["BLEU-1"]
    99.99999996666667
    """
    if len(captions) != len(references) or not captions or not all(references):
        raise ValueError("captions and references must be in step, at least one, and each with a reference")
    return caption_report(range(len(captions)), captions, references, scorers_named(metrics))


def caption_report(
    ids: Sequence[Any], captions: Sequence[str], references: References, scorers: Sequence[str], show: bool = False
) -> Report:
    """Tokenise, run the scorers side by side, gather what they give. Raises JobError where nothing can be tokenised."""
    bar = (
        progress_bar("scoring captions", len(captions) * len(scorers))
        if show
        else nullcontext(lambda done=1, note="": None)
    )
    # The pool is left last: what leaving `programs` ends lets its threads return.
    with bar as advance, ThreadPoolExecutor(len(scorers) + 1) as pool, Programs() as programs:
        tokens = ptb_tokenize([*captions, *(text for texts in references for text in texts)], programs)
        hypotheses = [tokens[caption] for caption in captions]
        truths = [[tokens[text] for text in texts] for texts in references]
        jobs = {name: pool.submit(_run, name, hypotheses, truths, programs, advance) for name in scorers}
        outcomes = {name: job.result() for name, job in jobs.items()}
    report = Report(task="caption", n=len(ids), metrics={}, ids=ids, items={}, clusters=None)
    figures: dict[Place, Figure] = {}
    items: dict[str, Sequence[float | None]] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, str):
            report.skipped |= dict.fromkeys(SCORERS[name], outcome)
            continue
        scores, per_image, resampled = outcome
        if name == "spice":
            # COCOEvalCap averages SPICE, and no other figure, in the order of the ids.
            scores["SPICE"] = spice.mean([score for _, score in sorted(zip(ids, per_image["SPICE"], strict=True))])
        for key, value in scores.items():
            if math.isnan(value):
                report.skipped[key] = (
                    "an image has nothing to compare in its caption nor in its references; the mean has no value"
                )
            else:
                report.metrics[key] = 100 * value
        items |= {
            key: [None if math.isnan(score) else 100 * score for score in values] for key, values in per_image.items()
        }
        figures |= {place: figure for place, figure in resampled.items() if place[0] in report.metrics}
    report.items = items
    report.figures = lambda: figures
    return report


def _run(
    name: str, captions: Sequence[str], references: References, programs: Programs, advance: Callable[..., None]
) -> Result | str:
    """One scorer's figures, or why it did not run."""
    try:
        if name == "meteor":
            return _meteor(captions, references, programs, advance)
        result = (
            _spice(captions, references, programs) if name == "spice" else _ngram(name, captions, references, programs)
        )
    except JobError as error:
        if programs.closed:
            raise
        return str(error)
    advance(len(captions), note=f"{', '.join(result[0])} done")
    return result


def _meteor(
    captions: Sequence[str], references: References, programs: Programs, advance: Callable[..., None]
) -> Result:
    found = meteor(captions, references, programs, advance)
    return {"METEOR": found.score}, {"METEOR": found.scores}, {("METEOR",): Figure(None, found.statistics, meteor_of)}


def _spice(captions: Sequence[str], references: References, programs: Programs) -> Result:
    found = spice(captions, references, programs)
    return (
        {"SPICE": found.score},
        {"SPICE": found.scores},
        {("SPICE",): mean_of([100 * score for score in found.scores])},
    )


def _ngram(name: str, captions: Sequence[str], references: References, programs: Programs) -> Result:
    found = ngram.in_process(name, captions, references, programs)
    figures: dict[Place, Figure] = {}
    for key, scores in found.items.items():
        if name == "bleu":
            figures[(key,)] = Figure(None, found.statistics, functools.partial(bleu_of, order=int(key[-1])))
        else:
            figures[(key,)] = mean_of([100 * score for score in scores])
    return found.scores, found.items, figures
