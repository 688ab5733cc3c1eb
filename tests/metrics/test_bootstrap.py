"""Oracle: what is known of means: their normal interval, whole clusters, pairs."""

import json
import math
import random

import numpy as np
import pytest
from vqa_cases import annotation, official, predicted

from vlhyper.errors import UserError
from vlhyper.metrics.bootstrap import compare, confidence
from vlhyper.metrics.labels import label_report
from vlhyper.metrics.report import Report, flatten, mean_of
from vlhyper.scoring import score


def report_of(scores, clusters=None):
    mean = {"overall": float(np.mean(scores))}
    return Report(
        task="t",
        n=len(scores),
        metrics=mean,
        ids=list(range(len(scores))),
        items={"overall": scores},
        clusters=clusters,
        summed=lambda: {("overall",): mean_of(scores)},
    )


def coins(count, seed=1):
    draw = random.Random(seed)
    return [100.0 * (draw.random() < 0.7) for _ in range(count)]


def test_interval_of_a_mean_is_the_normal_one():
    scores = coins(2000)
    low, high = confidence(report_of(scores))["intervals"]["overall"]
    half = 1.96 * float(np.std(scores)) / math.sqrt(len(scores))
    assert (low, high) == pytest.approx((np.mean(scores) - half, np.mean(scores) + half), abs=0.15 * half)


def test_items_of_one_image_move_together():
    scores = [value for value in coins(500) for _ in range(4)]
    alone = confidence(report_of(scores))["intervals"]["overall"]
    images = [index // 4 for index in range(len(scores))]
    found = confidence(report_of(scores, images))
    assert found["resampled"] == "image"
    widths = [high - low for low, high in (alone, found["intervals"]["overall"])]
    # Four copies of a coin tell no more than one: the interval is twice as wide as if they were four coins.
    assert widths[1] / widths[0] == pytest.approx(2, rel=0.15)


def test_intervals_are_the_same_each_time():
    assert confidence(report_of(coins(50))) == confidence(report_of(coins(50)))


def test_pairs_cancel_what_two_systems_share():
    scores = coins(1000)
    better = report_of([min(score + 1.0, 100.0) for score in scores])
    found = compare(better, report_of(scores))
    difference = found["difference"]["overall"]
    low, high = found["intervals"]["overall"]
    assert difference == pytest.approx(better.metrics["overall"] - report_of(scores).metrics["overall"])
    assert low < difference < high
    assert high - low < 0.1
    assert compare(better, better)["intervals"]["overall"] == [0.0, 0.0]


def test_one_item_or_one_image_gives_a_point():
    assert confidence(report_of([50.0]))["intervals"] == {"overall": [50.0, 50.0]}
    one_image = report_of([50.0, 100.0], ["a", "a"])
    assert confidence(one_image)["intervals"] == {"overall": [75.0, 75.0]}
    assert compare(one_image, one_image)["intervals"] == {"overall": [0.0, 0.0]}


def test_correlations_stay_correlations_where_resamples_are_constant():
    # In a third of the resamples the one other grade is not drawn; equal grades have no correlation.
    gold = [0.1 * number for number in range(1, 41)]
    report = label_report("stsb", range(40), ["3.3"] * 39 + ["4.7"], gold)
    low, high = confidence(report)["intervals"]["pearson"]
    assert 0 < low < high < 60


def test_two_systems_on_different_items_are_told_which(tmp_path):
    path = official(tmp_path / "a.json", [annotation(number, ["yes"] * 10) for number in (1, 2)])
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    ours.write_text(json.dumps(predicted({1: "yes"})))
    theirs.write_text(json.dumps(predicted({2: "yes"})))
    with pytest.raises(UserError, match=r"theirs\.json: 2 items .*1 only in .*ours\.json, 2 only in .*theirs\.json"):
        score("vqa", predictions=ours, annotations=path, against=theirs, partial=True)


def test_different_items_cannot_be_compared():
    with pytest.raises(UserError, match="different items"):
        compare(report_of([1.0, 2.0]), report_of([1.0]))


def test_every_vqa_figure_has_an_interval(tmp_path):
    draw = random.Random(2)
    records = [
        annotation(1000 * image + number, draw.choices(["yes", "no"], k=10), draw.choice(["is", "are"]), "yes/no")
        for image in range(30)
        for number in range(3)
    ]
    path = official(tmp_path / "a.json", records)
    yes, no = (predicted({record["question_id"]: word for record in records}) for word in ("yes", "no"))
    report = score("vqa", predictions=yes, annotations=path, confidence=True, against=no)
    intervals = dict(flatten(report.extra["confidence"]["intervals"]))
    for place, value in report.flat():
        low, high = intervals[place]
        assert low <= value <= high
    against = report.to_json()["against"]
    assert against["difference"]["overall"] == report.metrics["overall"] - against["metrics"]["overall"]
    assert list(against["intervals"]) == list(against["difference"])
    json.dumps(report.to_json(), allow_nan=False)


def test_figures_of_counts_are_resampled_as_they_are_computed():
    draw = random.Random(3)
    gold = draw.choices(["not_equivalent", "equivalent"], k=300)
    given = [right if draw.random() < 0.8 else draw.choice(["equivalent", "dog"]) for right in gold]
    grades = [draw.uniform(0, 5) for _ in gold]
    texts = [f"{min(5.0, max(0.0, grade + draw.gauss(0, 1))):.1f}" for grade in grades]
    cola = [["unacceptable", "acceptable"][text == "equivalent"] for text in gold]
    wrong = [["unacceptable", "acceptable"][text == "equivalent"] for text in given]
    for report in (
        label_report("mrpc", range(300), given, gold),
        label_report("stsb", range(300), texts, grades),
        label_report("cola", range(300), wrong, cola),
    ):
        figures = report.summed()
        for name in ("f1", "matthews", "pearson"):
            if name in report.metrics:
                figure = figures[(name,)]
                whole = figure.finish(np.asarray(figure.sums).sum(axis=0))
                assert whole == pytest.approx(report.metrics[name])
                low, high = confidence(report)["intervals"][name]
                assert low < report.metrics[name] < high
