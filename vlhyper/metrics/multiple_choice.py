"""Multiple choice: which choice an answer is taken for, as three evaluation programs do.

a-okvqa: the text of a choice, letter by letter. Source: allenai/aokvqa, evaluation/eval_predictions.py (42e8c44), not
strict.
llava: a letter alone, one with a period and a space at the beginning, or the one letter of "The answer is B.", capitals
alone. Source: haotian-liu/LLaVA, llava/eval/eval_science_qa.py (c121f04), on ScienceQA; letters beyond E are not read
alone, and any character will do for the period.
vlmevalkit: `can_infer` of open-compass/VLMEvalKit, vlmeval/utils/matching_util.py (e8e78f0), as under its
`exact_matching` (no language model is asked): the one letter among the words, if it is one of the last four; else the
first "answer is B", for A to D; else the one choice whose text is in the answer, unless the answer is twice as long as
all of them. Its oddity is kept: the word A counts as a letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from vlhyper.metrics.kinds import mean, rows_by_kind
from vlhyper.metrics.report import MetricPath, Report, mean_of, nest

# From an answer and the texts of the choices by letter to a letter, or None.
Reading = Callable[[str, Mapping[str, str]], str | None]
SIGNS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
# Answers for which VLMEvalKit takes no choice.
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
FAILED = "Failed to obtain answer via API"
_ANSWER_IS = re.compile(r"(?:correct\s+)?answer\s+is\s+\**([ABCD])\**", re.IGNORECASE)
_LLAVA = re.compile(r"The answer is ([A-Z]).")
LLAVA_LETTERS = "ABCDE"


def _aokvqa(answer: str, choices: Mapping[str, str]) -> str | None:
    return next((letter for letter, choice in choices.items() if choice == answer), None)


def _llava(answer: str, choices: Mapping[str, str]) -> str | None:
    if len(answer) == 1 and answer in LLAVA_LETTERS:
        letter = answer
    elif answer[:1] and answer[0] in LLAVA_LETTERS and answer[1:3] == ". ":
        letter = answer[0]
    else:
        found = _LLAVA.findall(answer)
        letter = found[0] if len(found) == 1 else ""
    return letter if letter and letter in LLAVA_LETTERS and letter in choices else None


def _vlmevalkit(answer: str, choices: Mapping[str, str]) -> str | None:
    if FAILED not in answer:
        if any(refusal in answer for refusal in REFUSALS):
            return None
        words = answer.translate(SIGNS).split()
        letters = [letter for letter in choices if letter in words]
        if len(letters) == 1 and words.index(letters[0]) > len(words) - 5:
            return letters[0]
        if not letters and "Z" in words:
            return None
        said = _ANSWER_IS.search(answer)
        if said and said[1].upper() in choices:
            return said[1].upper()
    lowered = answer.lower()
    if len(lowered) > 2 * sum(map(len, choices.values())):
        return None
    held = [letter for letter, choice in choices.items() if choice.lower() in lowered]
    return held[0] if len(held) == 1 else None


VARIANTS: dict[str, Reading] = {"a-okvqa": _aokvqa, "llava": _llava, "vlmevalkit": _vlmevalkit}


def choice_of(answer: str, choices: Sequence[str] | Mapping[str, str], variant: str = "vlmevalkit") -> str | None:
    """The letter of the choice that an answer is taken for, or None.

    >>> choice_of("I think it is (B).", ["a dog", "a cat"])
    'B'
    """
    by_letter = choices if isinstance(choices, Mapping) else dict(zip(ascii_uppercase, choices, strict=False))
    return VARIANTS[variant](answer, by_letter)


def multiple_choice_report(
    ids: Sequence[Any],
    predictions: Sequence[str],
    right: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Sequence[Any]],
    variant: str,
    images: Sequence[Any] | None = None,
) -> Report:
    """Accuracy, overall, by `kinds`, and of questions that are `pictured`. An answer that is no choice is wrong.

    right: {"answer": letter, "choices": {letter: text}} for each item. All sequences run in step.
    """
    told = [choice_of(given, one["choices"], variant) for given, one in zip(predictions, right, strict=True)]
    scores = [float(letter == one["answer"]) for letter, one in zip(told, right, strict=True)]
    parts: dict[MetricPath, list[int]] = {("accuracy",): list(range(len(scores)))}
    pictured = [row for row, flag in enumerate(columns.get("pictured", ())) if flag]
    parts |= {("with_image",): pictured} if pictured else {}
    parts |= {("category", name): rows for name, rows in sorted(rows_by_kind(columns.get("kinds", ())).items())}
    percents = [100 * score for score in scores]
    return Report(
        task="multiple-choice",
        variant=variant,
        n=len(ids),
        metrics=nest((path, mean([scores[row] for row in rows])) for path, rows in parts.items()),
        settings={"no_choice": told.count(None)},
        ids=ids,
        items={"accuracy": percents},
        clusters=images,
        summed=lambda: {path: mean_of([percents[row] for row in rows], rows) for path, rows in parts.items()},
    )
