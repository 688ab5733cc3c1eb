"""COCO captions: BLEU, METEOR, ROUGE-L, CIDEr and SPICE, all references of an image, PTB-tokenised.

The scores are those of pycocoevalcap's COCOEvalCap. Its scorers and programs are run, side by side; one that cannot
run is skipped with the reason, and the others count.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlhyper.console import Bar
from vlhyper.console import progress as progress_bar
from vlhyper.errors import JobError, UserError, nearest
from vlhyper.metrics.captions import meteor, ngram, spice
from vlhyper.metrics.captions.corpus import bleu_of, meteor_of, meteor_sums
from vlhyper.metrics.captions.ptb import ptb_tokenize
from vlhyper.metrics.java.processes import Programs, cores
from vlhyper.metrics.report import Report, SummedMetric, mean_of
from vlhyper.wording import shown

# What each scorer gives, in the order of COCOEvalCap.
METRICS = {
    "bleu": ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"),
    "meteor": ("METEOR",),
    "rouge": ("ROUGE-L",),
    "cider": ("CIDEr",),
    "spice": ("SPICE",),
}
# What takes more than captions and references, and is computed where it is asked for.
ON_REQUEST = {"clipscore": ("CLIPScore",), "refclipscore": ("RefCLIPScore",), "chair": ("CHAIRs", "CHAIRi")}
References = Sequence[Sequence[str]]


def scorers_named(wish: str | Sequence[str] | None, known: Mapping[str, tuple[str, ...]] = METRICS) -> list[str]:
    """The scorers of a list like "bleu,cider" (None: those of METRICS), in the order of those that are `known`.

    Raises UserError for unknown ones.
    """
    if wish is None:
        return list(METRICS)
    names = [name.strip().lower() for name in (wish.split(",") if isinstance(wish, str) else wish)]
    if not names:
        raise UserError(f"no caption metric is named; name some of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise UserError(f"unknown caption metric {name!r}{nearest(name, known)}")
    return [name for name in known if name in names]


def caption_scores(
    captions: Sequence[str], references: References, metrics: str | Sequence[str] | None = None
) -> Report:
    """Score captions against their references, both in step and as people write them; every metric × 100.

    >>> caption_scores(["a dog runs"], [["The dog runs.", "A dog is running."]], "bleu").metrics["BLEU-1"]
    99.99999996666667
    """
    if len(captions) != len(references) or not captions or not all(references):
        raise ValueError("captions and references must be in step, at least one, and each with a reference")
    if isinstance(captions, str) or any(isinstance(texts, str) for texts in references):
        raise ValueError("captions is a list of texts, references a list of lists of texts: one list for each caption")
    for row, (caption, texts) in enumerate(zip(captions, references, strict=True)):
        for text in (caption, *texts):
            _check_text(text, row)
    return caption_report(range(len(captions)), captions, references, scorers_named(metrics))


def _check_text(text: Any, row: int) -> None:
    if not isinstance(text, str):
        raise UserError(f"row {row}: a caption or reference is {shown(text)}; it must be text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"row {row}: a caption or reference has half of a surrogate pair; write it whole") from None


def caption_report(
    ids: Sequence[Any], captions: Sequence[str], references: References, scorers: Sequence[str], show: bool = False
) -> Report:
    """Tokenise, run the scorers side by side, gather what they give. Raises JobError where nothing can be tokenised."""
    units = len(captions) * len(scorers)
    # The programs are left before the pool: what that ends lets the pool's threads return.
    with (
        progress_bar("scoring captions", units) if show else nullcontext(_no_bar) as bar,
        ThreadPoolExecutor(len(scorers) + 1) as pool,
        Programs() as programs,
    ):
        tokens = ptb_tokenize([*captions, *(text for texts in references for text in texts)], programs)
        task = _Task(
            ids=ids,
            captions=[tokens[caption] for caption in captions],
            references=[[tokens[text] for text in texts] for texts in references],
            programs=programs,
            bar=bar,
            # Scorers run side by side: of the cores they share, one is left to those that cannot be dealt out.
            processes=cores() if len(scorers) == 1 else max(1, cores() - 1),
        )
        if task.large:
            ngram.write_texts(task.captions, task.references, task.texts)
        jobs = {name: pool.submit(_outcome, name, task) for name in scorers}
        outcomes = {name: job.result() for name, job in jobs.items()}
    return _gather(ids, outcomes)


def _no_bar(done: int = 1, note: str = "") -> None:
    """Used in place of a bar where none is shown."""


@dataclass(frozen=True)
class _Task:
    """Tokenised captions and references, what a scorer needs to run, and how many processes it may be dealt out to."""

    ids: Sequence[Any]
    captions: list[str]
    references: list[list[str]]
    programs: Programs
    bar: Bar
    processes: int

    @property
    def large(self) -> bool:
        return len(self.captions) >= ngram.WORTH_A_PROCESS

    @property
    def texts(self) -> Path:
        """Where the n-gram scorers' processes read the texts."""
        return self.programs.folder / "texts.json"


@dataclass(frozen=True)
class _Scores:
    """What a scorer gives: metrics of the corpus and of its captions, 0 to 1, and how to resample one of a name."""

    corpus: dict[str, float]
    captions: dict[str, list[float]]
    resampled: Callable[[str], SummedMetric]


def _outcome(name: str, task: _Task) -> _Scores | str:
    """One scorer's metrics, or why it did not run."""
    try:
        return RUNS.get(name, functools.partial(_run_ngram, name))(task)
    except JobError as error:
        if task.programs.closed:
            raise
        return str(error)


def _gather(ids: Sequence[Any], outcomes: dict[str, _Scores | str]) -> Report:
    report = Report(task="caption", n=len(ids), metrics={}, ids=ids)
    makers: dict[str, Callable[[str], SummedMetric]] = {}
    items: dict[str, Sequence[float | None]] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, str):
            report.skipped |= dict.fromkeys(METRICS[name], outcome)
            continue
        for key, value in outcome.corpus.items():
            items[key] = [None if math.isnan(score) else 100 * score for score in outcome.captions[key]]
            if math.isnan(value):
                report.skipped[key] = "an image has nothing to compare, neither in caption nor references: no mean"
            else:
                report.metrics[key] = 100 * value
                makers[key] = outcome.resampled
    report.items = items
    report.summed = lambda: {(key,): make(key) for key, make in makers.items()}
    return report


def _run_ngram(name: str, task: _Task) -> _Scores:
    if task.large:
        found = ngram.in_process(name, task.texts, task.programs, task.processes)
    else:
        found = ngram.SCORERS[name](task.captions, task.references)
    task.bar(len(task.captions), note=f"{name} done")
    if name == "bleu":
        return _Scores(
            found.scores,
            found.items,
            lambda key: SummedMetric(None, found.statistics, functools.partial(bleu_of, order=int(key[-1]))),
        )
    return _Scores(found.scores, found.items, lambda key: _mean_of(found.items[key]))


def _mean_of(scores: Sequence[float]) -> SummedMetric:
    return mean_of([100 * score for score in scores])


def _run_meteor(task: _Task) -> _Scores:
    found = meteor.meteor(task.captions, task.references, task.programs, task.bar, task.processes)
    return _Scores(
        {"METEOR": found.score},
        {"METEOR": found.scores},
        lambda _: SummedMetric(None, meteor_sums(found.statistics()), meteor_of),
    )


def _run_spice(task: _Task) -> _Scores:
    found = spice.spice(task.captions, task.references, task.programs)
    task.bar(len(task.captions), note="spice done")
    # COCOEvalCap averages SPICE, and no other metric, in the order of the ids.
    order = sorted(range(len(task.ids)), key=lambda row: (isinstance(task.ids[row], str), task.ids[row]))
    ordered = [found.scores[row] for row in order]
    return _Scores({"SPICE": spice.mean(ordered)}, {"SPICE": found.scores}, lambda _: _mean_of(found.scores))


RUNS: dict[str, Callable[[_Task], _Scores]] = {"meteor": _run_meteor, "spice": _run_spice}
