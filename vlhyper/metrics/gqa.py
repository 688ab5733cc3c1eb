"""GQA: every metric of the official script, from the questions file and the predictions alone.

Source: Hudson and Manning, "GQA" (2019), and its eval.py. Answers are compared as they are, letter by letter. All
metrics are over the balanced questions of the file; consistency looks at the questions that a rightly answered one
entails, which need predictions as well. Metrics whose inputs do not exist are skipped, where the official script
prints 0 or stops.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from vlhyper.errors import UserError
from vlhyper.metrics.report import MetricPath, Report, mean_of, nest
from vlhyper.wording import some

# Steps that only ask for the result do not make a question longer to reason about.
CLOSING_STEPS = ("exist", "query: name", "choose name")
COMMON_ANSWERS = ("color", "material", "shape")
Question = Mapping[str, Any]
# By metric: a number from 0 to 1 for every scored question, None where the metric is not about it.
Shares = dict[str, Sequence[float | None]]


def reasoning_steps(question: Question) -> int:
    """How many steps of its functional program a question takes, closing steps left out."""
    steps = [f"{step['operation']}: {step['argument']}" for step in question["semantic"]]
    return sum(not any(closing in step for closing in CLOSING_STEPS) for step in steps)


def is_one_of(answer: str, answers: Sequence[str], question: Question) -> bool:
    """Whether an answer is valid (or plausible) for a question; questions on what things share have three answers."""
    common = "Common" in question["types"]["detailed"]
    return answer in (COMMON_ANSWERS if common else answers)


def gqa_distribution(groups: Sequence[str], gold: Sequence[str], predicted: Sequence[str]) -> float:
    """The χ² of predicted against true answer counts, averaged over question groups by size, / 100. Lower is better.

    The three sequences run over the questions of the groups. Answers that are right for no question count nowhere.
    Raises UserError unless they are in step and hold something.
    """
    if not len(groups) == len(gold) == len(predicted) or not groups:
        raise UserError("the distribution needs groups, true and predicted answers in step, at least one of each")
    counts = {name: defaultdict(Counter) for name in ("gold", "predicted")}  # type: dict[str, defaultdict[str, Counter[str]]]
    for group, right, given in zip(groups, gold, predicted, strict=True):
        counts["gold"][group][right] += 1
        counts["predicted"][group][given] += 1
    weighted, overall = 0.0, 0
    for group, expected in counts["gold"].items():
        observed = counts["predicted"][group]
        distance = 0.0
        for answer, count in expected.items():
            distance += float(observed[answer] - count) ** 2 / count
        size = sum(expected.values())
        weighted += distance * size
        overall += size
    return weighted / overall / 100


def gqa_report(
    questions: Mapping[str, Question],
    predictions: Mapping[str, str],
    scored: Sequence[str],
    choices: Mapping[str, Any] | None,
) -> Report:
    """Score the balanced questions `scored`; `choices` gives the valid and plausible answers of each."""
    rows = [questions[identifier] for identifier in scored]
    right = [float(predictions[identifier] == row["answer"]) for identifier, row in zip(scored, rows, strict=True)]
    shares: Shares = {"accuracy": right}
    parts = _accuracy_parts(rows)
    columns = [(path, "accuracy", members) for path, members in parts.items()]
    skipped = {"grounding": "attention maps and scene graphs are not read"}
    for name in ("binary", "open"):
        if (name,) not in parts:
            skipped[name] = "no scored question has a type that belongs here"
    for name in ("structural", "semantic", "steps", "words"):
        if not any(path[0] == name for path in parts):
            skipped[name] = "the questions file has no such field"
    _add_choices(shares, skipped, scored, questions, predictions, choices)
    _add_consistency(shares, skipped, scored, right, questions, predictions)
    for name in ("validity", "plausibility", "consistency"):
        if name in shares:
            columns.append(((name,), name, [row for row, share in enumerate(shares[name]) if share is not None]))
    metrics = nest((path, _mean(_of(shares[name], members))) for path, name, members in columns)
    # One of the groups is named "", so only null means no group.
    grouped = [(row, identifier) for row, identifier in zip(rows, scored, strict=True) if _group(row) is not None]
    if grouped:
        metrics["distribution"] = gqa_distribution(
            [str(_group(row)) for row, _ in grouped],
            [row["answer"] for row, _ in grouped],
            [predictions[identifier] for _, identifier in grouped],
        )
    else:
        skipped["distribution"] = "no scored question belongs to a group"
    return Report(
        task="gqa",
        n=len(scored),
        metrics=metrics,
        skipped=skipped,
        ids=scored,
        items={name: [None if share is None else 100 * share for share in column] for name, column in shares.items()},
        clusters=[_image(row, identifier) for row, identifier in zip(rows, scored, strict=True)],
        summed=lambda: {
            path: mean_of([100 * share for share in _of(shares[name], members)], members)
            for path, name, members in columns
        },
    )


def _image(question: Question, identifier: str) -> str | int:
    image: str | int | None = question.get("imageId")
    return identifier if image is None else image


def _group(question: Question) -> str | None:
    return (question.get("groups") or {}).get("global")


def _of(column: Sequence[float | None], members: Sequence[int]) -> list[float]:
    return [share for row in members if (share := column[row]) is not None]


def _mean(shares: Sequence[float]) -> float:
    # Divided first and by 100 multiplied last, as the official script does: it decides the last digit.
    return sum(shares) / len(shares) * 100


def _accuracy_parts(rows: Sequence[Question]) -> dict[MetricPath, list[int]]:
    """Which of the scored questions each accuracy is the mean of."""
    parts: dict[MetricPath, list[int]] = {("accuracy",): list(range(len(rows)))}
    found: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, row in enumerate(rows):
        types = row.get("types") or {}
        if types.get("structural") is not None:
            found["open" if types["structural"] == "query" else "binary"][""].append(index)
            found["structural"][types["structural"]].append(index)
        if types.get("semantic") is not None:
            found["semantic"][types["semantic"]].append(index)
        if row.get("semantic") is not None:
            found["steps"][str(reasoning_steps(row))].append(index)
        if "question" in row:
            found["words"][str(len(row["question"].split()))].append(index)
    for name in ("binary", "open"):
        if name in found:
            parts[(name,)] = found[name][""]
    for name in ("structural", "semantic", "steps", "words"):
        order = sorted(found[name], key=lambda label: (len(label), label) if label.isdigit() else (0, label))
        parts |= {(name, label): found[name][label] for label in order}
    return parts


def _add_choices(
    shares: Shares,
    skipped: dict[str, str],
    scored: Sequence[str],
    questions: Mapping[str, Question],
    predictions: Mapping[str, str],
    choices: Mapping[str, Any] | None,
) -> None:
    for name, key in (("validity", "valid"), ("plausibility", "plausible")):
        if choices is None:
            skipped[name] = "needs a choices file (vlhyper score --choices); none is published for testdev"
        elif any((questions[identifier].get("types") or {}).get("detailed") is None for identifier in scored):
            skipped[name] = "the questions file does not give the detailed types, which decide what is valid"
        else:
            shares[name] = [
                float(is_one_of(predictions[identifier], choices[identifier][key], questions[identifier]))
                for identifier in scored
            ]


def _add_consistency(
    shares: Shares,
    skipped: dict[str, str],
    scored: Sequence[str],
    right: Sequence[float],
    questions: Mapping[str, Question],
    predictions: Mapping[str, str],
) -> None:
    """The share of entailed questions answered rightly, for every question answered rightly that entails others."""
    needed = [_entailed(questions[identifier], identifier) for identifier in scored]
    if not any(needed):
        skipped["consistency"] = "no scored question entails another"
        return
    asked = {other for score, others in zip(right, needed, strict=True) if score for other in others}
    for missing, what in (
        (asked.difference(questions), "in the questions file"),
        (asked.difference(predictions), "predicted"),
    ):
        if missing:
            skipped["consistency"] = (
                f"{len(missing)} entailed questions are not {what} ({some(sorted(missing))}); "
                "it needs the file of all questions and predictions for all of them"
            )
            return
    if not asked:
        skipped["consistency"] = "no question that entails others was answered rightly"
        return
    shares["consistency"] = [
        sum(predictions[other] == questions[other]["answer"] for other in others) / len(others)
        if score and others
        else None
        for score, others in zip(right, needed, strict=True)
    ]


def _entailed(question: Question, identifier: str) -> list[str]:
    return [other for other in question.get("entailed") or () if other != identifier]
