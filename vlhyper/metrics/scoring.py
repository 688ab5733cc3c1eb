"""One door to every scorer: `score("vqa", predictions=..., annotations=...)`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.metrics.labels import LABEL_TASKS
from vlhyper.metrics.reading import Source
from vlhyper.metrics.report import Report

# A scorer is imported when it is asked for: none waits for another's libraries.
OWN_SCORERS = {
    "vqa": "vqa:score_vqa",
    "okvqa": "vqa:score_okvqa",
    "gqa": "gqa:score_gqa",
    "caption": "captions:score_caption",
    "snli-ve": "label_scores:score_snli_ve",
}
GLUE = ("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte")
TASKS = (*OWN_SCORERS, *(f"glue:{name}" for name in GLUE), "cb", "boolq", "imdb", "paws")
SPELLINGS = {"snli_ve": "snli-ve", "captions": "caption", "sst-2": "sst2", "sts-b": "stsb"}


def scorer_of(task: str) -> Callable[..., Report]:
    """The function that scores a task. Raises UserError for an unknown one."""
    name = task.lower()
    suite, _, short = name.rpartition(":")
    name = SPELLINGS.get(name, SPELLINGS.get(short, short) if suite in ("", "glue", "superglue") else name)
    if name in OWN_SCORERS:
        module, _, function = OWN_SCORERS[name].partition(":")
        return getattr(import_module(f"vlhyper.metrics.{module}"), function)
    if name in LABEL_TASKS:
        return partial(import_module("vlhyper.metrics.label_scores").score_labels, name)
    raise UserError(f"unknown task {task!r}{nearest(task, TASKS)}")


def score(
    task: str,
    *,
    predictions: Source,
    questions: str | os.PathLike[str] | None = None,
    annotations: str | os.PathLike[str] | None = None,
    split: str | None = None,
    **options: Any,
) -> Report:
    """Score predictions (a path, or a list of records in the task's official format) against a task's own files.

    options are the scorer's own (variant, answers, half, vocabulary, choices, metrics, complete, partial, progress); None
    stands for not given. Raises UserError for an unknown task, for an option or file the task does not take, and for
    whatever is wrong with a file.
    """
    scorer = scorer_of(task)
    files = {
        name: None if path is None else os.fspath(path)
        for name, path in (("questions", questions), ("annotations", annotations))
    }
    given = {name: value for name, value in (files | {"split": split} | options).items() if value is not None}
    taken = {
        name: parameter
        for name, parameter in inspect.signature(scorer).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for name in given:
        if name not in taken:
            raise UserError(f"scoring {task} takes no {option(name)}{nearest(name, taken)}")
    for name, parameter in taken.items():
        if parameter.default is parameter.empty and name not in given:
            raise UserError(f"scoring {task} needs {option(name)}")
    return scorer(predictions, **given)


def option(name: str) -> str:
    """An option as it is typed."""
    return f"--{name.replace('_', '-')}"
