"""Multiple choice: each data set's own evaluation program unless a variant is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlhyper.metrics.multiple_choice import VARIANTS, choice_of, multiple_choice_report
from vlhyper.metrics.report import Report
from vlhyper.metrics.sentences import short_answer
from vlhyper.readers.fields import number_id
from vlhyper.readers.gold import Gold
from vlhyper.readers.multiple_choice import read_multiple_choice_gold
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Extraction, Scorer, a_switch, a_text, one_of

# By the form of the truth's file, the program that its predictions are scored with.
PROGRAMS = {"a-okvqa": "a-okvqa", "scienceqa": "llava", "letters": "vlmevalkit"}


def _report(gold: Gold, answers: Mapping[Any, str], options: Mapping[str, Any]) -> Report:
    given = [answers[id] for id in gold.ids]
    variant = _variant(gold.right[0], options)
    report = multiple_choice_report(gold.ids, given, gold.right, gold.columns, variant, gold.clusters)
    if none := report.settings["no_choice"]:
        report.notes.append(f"{none} of {len(given)} answers are no choice to this program, and count as wrong")
    return report


def _variant(right: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    return str(options.get("variant") or PROGRAMS[right["form"]])


def _choice_in(answer: str, right: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """The choice that an answer means, as the program in use reads one; the answer itself where it means none."""
    choices, short = right["choices"], short_answer(answer)
    named = [letter for letter, choice in choices.items() if short in (letter.lower(), choice.lower().strip(". "))]
    letter = named[0] if len(named) == 1 else choice_of(answer, choices)
    if letter is None:
        return answer
    return str(choices[letter]) if _variant(right, options) == "a-okvqa" else letter


MULTIPLE_CHOICE = Scorer(
    name="multiple-choice",
    report=_report,
    layouts={"multiple-choice": read_multiple_choice_gold},
    predictions=PredictionFile("question_id", "prediction", number_id, ("22MexNkBPpdZGX6sxbxVBH", "cab")),
    options={
        "variant": one_of(*VARIANTS, what="variant of multiple choice"),
        "split": a_text,
        "chat": a_switch,
    },
    extraction=Extraction(
        "the choice whose letter or text is the short answer, else as VLMEvalKit infers it", _choice_in
    ),
)
