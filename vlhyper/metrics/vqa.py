"""VQA accuracy, as the official evaluator gives it and as two widely used ports of it do.

Source: Antol et al., "VQA: Visual Question Answering" (2015), and GT-Vision-Lab/VQA, vqaEval.py (a013f00, Python 2.7).
An answer counts min(1, n / 3), n the number of people who gave it among the others of the ten, averaged over leaving
out each of the ten in turn: 0, 30, 60, 90 or 100 for 0, 1, 2, 3 or more people.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from operator import add

from vlhyper.errors import UserError, nearest
from vlhyper.metrics.decoding import decoded_predictions
from vlhyper.metrics.normalise import (
    normalise_answer,
    normalise_lmms_eval,
    normalise_lmms_eval_okvqa,
    normalise_python3,
    strip_python3,
    tidy,
)
from vlhyper.metrics.reading import Source, keyed_texts, match_ids, name_of, whole_number
from vlhyper.metrics.report import Figure, Metrics, Place, Report, mean_of, nest
from vlhyper.metrics.vqa_files import VqaTruth, in_vocabulary, read_truth

# With more people than this each of them, left out, still leaves three: the whole point, with no rounding.
ENOUGH = 3
SHAPE = '[{"question_id": 458752000, "answer": "skateboard"}]'


# A prediction and people's answers, to what each of them is taken for.
Matcher = Callable[[str, Sequence[str]], tuple[str, Sequence[str]]]


def _agree(answers: Sequence[str]) -> bool:
    return answers.count(answers[0]) == len(answers)


def _official(prediction: str, answers: Sequence[str]) -> tuple[str, Sequence[str]]:
    if _agree(answers):
        return tidy(prediction), [tidy(answers[0])] * len(answers)
    people = list(map(normalise_answer, answers))
    if _agree(people):
        as_they_stand = list(map(tidy, answers))
        if _agree(as_they_stand):
            return tidy(prediction), as_they_stand
    return normalise_answer(prediction), people


def _vl_t5(prediction: str, answers: Sequence[str]) -> tuple[str, Sequence[str]]:
    people = answers if _agree(answers) else list(map(strip_python3, answers))
    return normalise_python3(prediction), people


def _lmms_eval(prediction: str, answers: Sequence[str]) -> tuple[str, Sequence[str]]:
    return normalise_lmms_eval(prediction), list(map(normalise_lmms_eval, answers))


def _lmms_eval_okvqa(prediction: str, answers: Sequence[str]) -> tuple[str, Sequence[str]]:
    return normalise_lmms_eval_okvqa(prediction), list(map(normalise_lmms_eval_okvqa, answers))


# official: GT-Vision-Lab/VQA; vl-t5: j-min/VL-T5 (also VL-Adapter, LAVIS); lmms-eval: its tasks vqav2 and ok_vqa, v0.6.
VARIANTS: dict[str, Matcher] = {
    "official": _official,
    "vl-t5": _vl_t5,
    "lmms-eval": _lmms_eval,
}
OKVQA_VARIANTS = VARIANTS | {"lmms-eval": _lmms_eval_okvqa}


def variant_named(name: str, task: str = "vqa") -> Matcher:
    """The matching of one variant. Raises UserError for an unknown name."""
    if name not in VARIANTS:
        raise UserError(f"unknown variant {name!r} of VQA accuracy{nearest(name, VARIANTS)}")
    return (OKVQA_VARIANTS if task == "okvqa" else VARIANTS)[name]


@lru_cache(maxsize=1 << 12)
def _leave_one_out(matches: tuple[bool, ...]) -> float:
    """Mean of min(1, n / 3), summed in the order of the answers so that rounding falls as in the official program."""
    count, total = sum(matches), 0.0
    for match in matches:
        total += min(1, float(count - match) / 3)
    return total / len(matches)


def vqa_accuracy(prediction: str, answers: Sequence[str], variant: str = "official") -> float:
    """VQA accuracy of one prediction, 0 to 100.

    answers: what people answered, usually ten texts. variant: official, vl-t5 or lmms-eval.
    Raises UserError for an unknown variant, no answers, or anything but texts.

    >>> vqa_accuracy("2", ["two"] * 3 + ["3"] * 7)
    90.0
    """
    if isinstance(answers, str) or not answers or not all(isinstance(text, str) for text in (prediction, *answers)):
        raise UserError("VQA accuracy needs a text and a list of texts: at least one answer of a person")
    return _percent(_accuracy(prediction, answers, variant_named(variant)))


def _accuracy(prediction: str, answers: Sequence[str], match: Matcher) -> float:
    given, people = match(prediction, answers)
    count = people.count(given)
    if count == 0 or count > ENOUGH:
        return float(count > 0)
    return _leave_one_out(tuple([person == given for person in people]))


@lru_cache(maxsize=1 << 12)
def _percent(accuracy: float) -> float:
    # 59.999999999999986 and 60.00000000000001 are both two people of ten; the noise of the sum is taken off an item.
    return round(100 * accuracy, 12)


def _mean(accuracies: Sequence[float]) -> float:
    """100 × mean, summed plainly from left to right: Python 3.12's `sum` mends the error the official figures have."""
    return 100 * reduce(add, accuracies, 0.0) / len(accuracies)


def vqa_report(
    truth: VqaTruth, predictions: dict[int, str], scored: Sequence[int], *, task: str = "vqa", variant: str = "official"
) -> Report:
    """Score the questions `scored` (ids of `truth`) with one variant: overall, by type, by domain."""
    match = variant_named(variant, task)
    row_of = {identifier: row for row, identifier in enumerate(truth.ids)}
    rows = [row_of[identifier] for identifier in scored]
    accuracies = [_accuracy(predictions[truth.ids[row]], truth.answers[row], match) for row in rows]
    places = _places(truth, rows)
    metrics = nest((place, _mean([accuracies[index] for index in members])) for place, members in places.items())
    percents = [_percent(accuracy) for accuracy in accuracies]
    return Report(
        task=task,
        variant=variant,
        n=len(rows),
        total=len(truth.ids),
        metrics=metrics,
        skipped=_skipped(metrics, truth.flags),
        ids=scored,
        items={"overall": percents},
        clusters=[truth.images[row] for row in rows],
        figures=lambda: _figures(percents, places),
    )


def _places(truth: VqaTruth, rows: Sequence[int]) -> dict[Place, list[int]]:
    """Which scored items each figure is the mean of, as indices into `rows`; question types, which are dozens, last."""
    places: dict[Place, list[int]] = {("overall",): list(range(len(rows)))}
    if truth.in_domain is not None:
        for belongs, name in ((True, "in_domain"), (False, "out_domain")):
            members = [index for index, row in enumerate(rows) if truth.in_domain[row] is belongs]
            places |= {(name,): members} if members else {}
    for name, types in (("answer_type", truth.answer_types), ("question_type", truth.question_types)):
        found: defaultdict[str | None, list[int]] = defaultdict(list)
        for index, row in enumerate(rows):
            found[types[row]].append(index)
        places |= {(name, label): members for label, members in found.items() if label is not None}
    return places


def _figures(percents: Sequence[float], places: dict[Place, list[int]]) -> dict[Place, Figure]:
    return {place: mean_of([percents[row] for row in members], members) for place, members in places.items()}


def _skipped(metrics: Metrics, flags: int) -> dict[str, str]:
    why = "the annotations name no such type"
    skipped = {name: why for name in ("answer_type", "question_type") if name not in metrics}
    if "in_domain" not in metrics and "out_domain" not in metrics:
        having = f"only {flags} of the annotations have" if flags else "the annotations have no"
        why = f"{having} 'is_topk_optimal'; an answer vocabulary tells it too (--vocabulary)"
    else:
        why = "no scored question belongs to it"
    return skipped | {name: why for name in ("in_domain", "out_domain") if name not in metrics}


def read_predictions(source: Source) -> dict[int, str]:
    """A VQA results file, or the same as a list, as {question id: answer}. Raises UserError for any other shape."""
    usual = decoded_predictions(source) if isinstance(source, str | os.PathLike) else None
    if usual is not None:
        found = {record.question_id: record.answer for record in usual}
        if len(found) == len(usual):
            return found
    return keyed_texts(source, "question_id", "answer", whole_number, SHAPE)


def score_vqa(
    predictions: Source,
    *,
    annotations: str,
    questions: str | None = None,
    variant: str = "official",
    vocabulary: str | None = None,
    partial: bool = False,
) -> Report:
    """Score VQA predictions against an official annotations file or VL-T5's Karpathy file (both by path)."""
    variant_named(variant)
    truth = read_truth(annotations, questions)
    return _score(predictions, truth, name_of(annotations), variant, vocabulary, partial, "vqa")


def score_okvqa(
    predictions: Source,
    *,
    annotations: str,
    questions: str | None = None,
    variant: str = "official",
    answers: str = "stemmed",
    half: str | None = None,
    vocabulary: str | None = None,
    partial: bool = False,
) -> Report:
    """Score OK-VQA predictions. answers: stemmed (as published, what the official evaluator reads) or raw.

    half: None for all questions, first or second for a half of them, chosen by a hash of their ids (`vlhyper.splits`).
    """
    variant_named(variant)
    keys = {"stemmed": "answer", "raw": "raw_answer"}
    if answers not in keys:
        raise UserError(f"unknown kind of OK-VQA answers {answers!r}{nearest(answers, keys)}")
    truth = read_truth(annotations, questions, answer_key=keys[answers]).half(half)
    report = _score(predictions, truth, name_of(annotations), variant, vocabulary, partial, "okvqa")
    report.settings = {"answers": answers, "half": half or "whole"}
    return report


def _score(
    predictions: Source, truth: VqaTruth, against: str, variant: str, vocabulary: str | None, partial: bool, task: str
) -> Report:
    given = read_predictions(predictions)
    scored = match_ids(
        given, truth.ids, source=predictions, against=against, partial=partial, known_too=truth.other_half
    )
    if vocabulary is not None:
        truth = in_vocabulary(truth, vocabulary)
    return vqa_report(truth, given, scored, task=task, variant=variant)
