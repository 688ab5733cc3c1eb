"""VQA accuracy, as the official evaluator gives it and as two widely used ports of it do.

Source: Antol et al., "VQA: Visual Question Answering" (2015), and GT-Vision-Lab/VQA, vqaEval.py (a013f00, Python 2.7).
An answer counts min(1, n / 3), n the number of people who gave it among the others of the ten, averaged over leaving
out each of the ten in turn: 0, 30, 60, 90 or 100 for 0, 1, 2, 3 or more people.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from functools import lru_cache, reduce
from operator import add
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.metrics.normalise import (
    normalise_answer,
    normalise_lmms_eval,
    normalise_lmms_eval_okvqa,
    normalise_python3,
    strip_python3,
    tidy,
)
from vlhyper.metrics.report import MetricPath, Metrics, Report, SummedMetric, mean_of, nest

# With more people than this each of them, left out, still leaves three: the whole point, with no rounding.
ENOUGH = 3


# A prediction and people's answers, to what each of them is taken for.
Matcher = Callable[[str, Sequence[str]], tuple[str, Sequence[str]]]


def _agree(answers: Sequence[str]) -> bool:
    return answers.count(answers[0]) == len(answers)


def _official(prediction: str, answers: Sequence[str]) -> tuple[str, Sequence[str]]:
    if _agree(answers):
        return tidy(prediction), [tidy(answers[0])] * len(answers)
    people = list(map(normalise_answer, answers))
    if _agree(people):
        as_they_are = list(map(tidy, answers))
        if _agree(as_they_are):
            return tidy(prediction), as_they_are
    return normalise_answer(prediction), people


def _vl_t5(prediction: str, answers: Sequence[str]) -> tuple[str, Sequence[str]]:
    people = answers if _agree(answers) else list(map(strip_python3, answers))
    return normalise_python3(prediction), people


def _lmms_eval(prediction: str, answers: Sequence[str]) -> tuple[str, Sequence[str]]:
    return normalise_lmms_eval(prediction), list(map(normalise_lmms_eval, answers))


def _lmms_eval_okvqa(prediction: str, answers: Sequence[str]) -> tuple[str, Sequence[str]]:
    return normalise_lmms_eval_okvqa(prediction), list(map(normalise_lmms_eval_okvqa, answers))


# official: GT-Vision-Lab/VQA; vl-t5: j-min/VL-T5 (also VL-Adapter, LAVIS); lmms-eval: its tasks vqav2 and ok_vqa, v0.6;
# textvqa: MMF's TextVQAAccuracyEvaluator (m4c_evaluators.py, 2dc099a), whose processor lmms-eval's ok_vqa took over.
VARIANTS: dict[str, Matcher] = {
    "official": _official,
    "vl-t5": _vl_t5,
    "lmms-eval": _lmms_eval,
    "textvqa": _lmms_eval_okvqa,
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

    answers: what people answered, usually ten texts. variant: official, vl-t5, lmms-eval or textvqa.
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
    """100 × mean, summed plainly from left to right: Python 3.12's `sum` mends the error the official scores have."""
    return 100 * reduce(add, accuracies, 0.0) / len(accuracies)


def vqa_report(
    ids: Sequence[Any],
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
    *,
    images: Sequence[Any] | None = None,
    columns: Mapping[str, Sequence[Any]] | None = None,
    task: str = "vqa",
    variant: str = "official",
) -> Report:
    """Score one prediction a question with one variant: overall, by type, by domain. All sequences run in step.

    columns: what is known of the questions: `answer_type`, `question_type` (texts), `in_domain` (whether the best
    answer of people is a frequent one), each None where it is not known.
    """
    match = variant_named(variant, task)
    accuracies = [_accuracy(given, people, match) for given, people in zip(predictions, answers, strict=True)]
    parts = _parts(len(accuracies), columns or {})
    metrics = nest((path, _mean([accuracies[index] for index in members])) for path, members in parts.items())
    percents = [_percent(accuracy) for accuracy in accuracies]
    return Report(
        task=task,
        variant=variant,
        n=len(ids),
        metrics=metrics,
        skipped=_skipped(metrics, (columns or {}).get("in_domain", ())),
        ids=ids,
        items={"overall": percents},
        clusters=images,
        summed=lambda: {path: mean_of([percents[row] for row in members], members) for path, members in parts.items()},
    )


def add_aokvqa(
    report: Report,
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
    choices: Sequence[str | None],
    difficult: Sequence[bool | None],
) -> None:
    """Add the figures of A-OKVQA's own evaluator, which compares texts as they are. All sequences run in step.

    `direct_answer` counts min(1, n / 3), n the number of people who gave the prediction, over the questions that are
    not marked as difficult to answer directly; `multiple_choice` counts the right one of four choices.
    Source: allenai/aokvqa, evaluation/eval_predictions.py (42e8c44).
    """
    columns = {
        "direct_answer": [
            None if hard else min(1.0, people.count(given) / 3)
            for given, people, hard in zip(predictions, answers, difficult, strict=True)
        ],
        "multiple_choice": [
            None if choice is None else float(given == choice)
            for given, choice in zip(predictions, choices, strict=True)
        ],
    }
    before = report.summed
    sums: dict[MetricPath, SummedMetric] = {}
    for name, column in columns.items():
        rows = [row for row, share in enumerate(column) if share is not None]
        shares = [share for share in column if share is not None]
        if not shares:
            report.skipped[name] = "no scored question counts for it"
            continue
        # Divided first and by 100 multiplied last, as that evaluator does.
        report.metrics[name] = reduce(add, shares, 0.0) / len(shares) * 100
        sums[(name,)] = mean_of([100 * share for share in shares], rows)
    report.items = {
        **report.items,
        **{name: [None if share is None else 100 * share for share in column] for name, column in columns.items()},
    }
    report.summed = lambda: before() | sums


def _parts(count: int, columns: Mapping[str, Sequence[Any]]) -> dict[MetricPath, list[int]]:
    """The items each metric is the mean of, as indices; question types, which are dozens, last."""
    parts: dict[MetricPath, list[int]] = {("overall",): list(range(count))}
    flags = columns.get("in_domain", ())
    if flags and None not in flags:
        for belongs, name in ((True, "in_domain"), (False, "out_domain")):
            members = [index for index, flag in enumerate(flags) if flag is belongs]
            parts |= {(name,): members} if members else {}
    for name in ("answer_type", "question_type"):
        found: defaultdict[str | None, list[int]] = defaultdict(list)
        for index, label in enumerate(columns.get(name, ())):
            found[label].append(index)
        parts |= {(name, label): members for label, members in found.items() if label is not None}
    return parts


def _skipped(metrics: Metrics, flags: Sequence[bool | None]) -> dict[str, str]:
    why = "the annotations name no such type"
    skipped = {name: why for name in ("answer_type", "question_type") if name not in metrics}
    if "in_domain" not in metrics and "out_domain" not in metrics:
        known = len(flags) - flags.count(None)
        having = f"only {known} of the annotations have" if known else "the annotations have no"
        why = f"{having} 'is_topk_optimal'; an answer vocabulary tells it too (vlhyper score --vocabulary)"
    else:
        why = "no scored question belongs to it"
    return skipped | {name: why for name in ("in_domain", "out_domain") if name not in metrics}


def in_domain(answers: Sequence[str], frequent: Container[str]) -> bool:
    """Whether the answer that most people gave (any of them at a tie) is among the normalised `frequent` answers."""
    counts = Counter(map(normalise_answer, answers))
    most = max(counts.values())
    return any(count == most and answer in frequent for answer, count in counts.items())
