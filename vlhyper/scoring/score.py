"""One door to every scorer: `score("vqa", predictions=..., annotations=...)`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from vlhyper.errors import UserError, first_few, nearest
from vlhyper.metrics import bootstrap
from vlhyper.metrics.labels import LABEL_TASKS
from vlhyper.metrics.reading import Source, kind, name_of, named, no_collection
from vlhyper.metrics.report import Report

# A scorer is imported when it is asked for: none waits for another's libraries.
OWN_SCORERS = {
    "vqa": "vlhyper.metrics.vqa:score_vqa",
    "okvqa": "vlhyper.metrics.vqa:score_okvqa",
    "gqa": "vlhyper.metrics.gqa:score_gqa",
    "caption": "vlhyper.metrics.captions.scores:score_caption",
    "snli-ve": "vlhyper.scoring.labels:score_snli_ve",
}
GLUE = ("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte")
TASKS = (*OWN_SCORERS, *(f"glue:{name}" for name in GLUE), "cb", "boolq", "imdb", "paws")
SPELLINGS = {"snli_ve": "snli-ve", "captions": "caption", "sst-2": "sst2", "sts-b": "stsb"}


def scorer_of(task: str) -> Callable[..., Report]:
    """The function that scores a task. Raises UserError for an unknown one."""
    if not isinstance(task, str):
        raise UserError(f"task is {kind(task)}; it must be one of {', '.join(TASKS)}")
    name = task.lower()
    suite, _, short = name.rpartition(":")
    name = SPELLINGS.get(name, SPELLINGS.get(short, short) if suite in ("", "glue", "superglue") else name)
    if name in OWN_SCORERS:
        module, _, function = OWN_SCORERS[name].partition(":")
        return getattr(import_module(module), function)
    if name in LABEL_TASKS:
        return partial(import_module("vlhyper.scoring.labels").score_labels, name)
    raise UserError(f"unknown task {task!r}{nearest(task, TASKS)}")


def score(
    task: str,
    *,
    predictions: Source,
    questions: str | os.PathLike[str] | None = None,
    annotations: str | os.PathLike[str] | None = None,
    split: str | None = None,
    confidence: bool = False,
    against: Source | None = None,
    **options: Any,
) -> Report:
    """Score predictions (a path, or a list of records in the task's official format) against a task's own files.

    confidence: add 95 % bootstrap intervals. against: a second system's predictions, to be compared on the same items.
    options are the scorer's own (variant, answers, half, vocabulary, choices, metrics, complete, partial, progress);
    None stands for not given. Raises UserError for an unknown task, for an option or file the task does not take, and
    for whatever is wrong with a file.
    """
    scorer = scorer_of(task)
    given: dict[str, Any] = {"questions": questions, "annotations": annotations, "split": split, **options}
    chosen = _chosen(task, scorer, given)
    with no_collection():
        report = scorer(predictions, **chosen)
    if confidence:
        report.extra["confidence"] = bootstrap.confidence(report)
    if against is not None:
        other = scorer(against, **chosen)
        _check_same_items(report, other, name_of(predictions), name_of(against))
        report.extra["against"] = {"predictions": name_of(against)} | bootstrap.compare(report, other)
    return report


def _check_same_items(ours: Report, theirs: Report, our_name: str, their_name: str) -> None:
    """With --partial, or where the images to score are those that have a caption, two systems may differ in them."""
    only_ours, only_theirs = set(ours.ids).difference(theirs.ids), set(theirs.ids).difference(ours.ids)
    if only_ours or only_theirs:
        differing = [*(f"{named(one)} only in {our_name}" for one in sorted(only_ours))]
        differing += [f"{named(one)} only in {their_name}" for one in sorted(only_theirs)]
        raise UserError(
            f"{their_name}: {len(differing)} items are scored for one system only ({first_few(differing, 2)}); "
            "two systems are compared on the same items: leave these out of the file"
        )


def _chosen(task: str, scorer: Callable[..., Report], given: dict[str, Any]) -> dict[str, Any]:
    """The files and options that were given, after the scorer was found to take and to need just these."""
    parameters = inspect.signature(scorer).parameters.values()
    taken = {parameter.name: parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in chosen:
        if name not in taken:
            raise UserError(f"scoring {task} takes no {option(name)}; it takes {', '.join(map(option, taken))}")
        _check_type(name, chosen[name], taken[name].annotation)
    for name, parameter in taken.items():
        if parameter.default is parameter.empty and name not in chosen:
            raise UserError(f"scoring {task} needs {option(name)}")
    return {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in chosen.items()}


def _check_type(name: str, value: Any, annotation: str) -> None:
    """What a command line can't get wrong and a program can: records for a path, a word for a switch."""
    if annotation in ("str", "str | None") and not isinstance(value, str | os.PathLike):
        raise UserError(f"{name} is {kind(value)}; it must be a text: a file by its path, an option by its name")
    if annotation == "bool" and not isinstance(value, bool):
        raise UserError(f"{name} is {kind(value)}; it must be true or false")


def option(name: str) -> str:
    """An option as it is typed."""
    return f"--{name.replace('_', '-')}"
