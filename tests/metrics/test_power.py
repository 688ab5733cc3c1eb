"""Oracles: scipy's distributions and permutation test, published figures."""

import math

import numpy as np
import pytest
from scipy import stats

from vlhyper.errors import UserError
from vlhyper.metrics.labels import label_report
from vlhyper.metrics.power import power
from vlhyper.metrics.report import Report, mean_of
from vlhyper.metrics.significance import corrected, holm, p_values
from vlhyper.scoring import score

DRAW = np.random.default_rng(3)


def report_of(scores, clusters=None):
    scores = [float(value) for value in scores]
    return Report(
        task="t",
        n=len(scores),
        metrics={"overall": sum(scores) / len(scores)},
        ids=list(range(len(scores))),
        items={"overall": scores},
        clusters=clusters,
        summed=lambda: {("overall",): mean_of(scores)},
    )


def reached(items, deviation, points):
    """The power of a two-sided z-test on so many items, as a textbook has it."""
    shift = points / (deviation / math.sqrt(items))
    return stats.norm.sf(stats.norm.isf(0.025) - shift)


@pytest.mark.parametrize("points", [1.0, 2.5])
def test_the_number_needed_is_the_least_that_reaches_80_percent(points):
    one, other = 100.0 * (DRAW.random((2, 400)) < 0.7)
    for found, deviation in (
        (power(report_of(one), points), math.sqrt(2) * np.std(one, ddof=1)),
        (power(report_of(one), points, report_of(other)), np.std(one - other, ddof=1)),
    ):
        needed = found["needed"]["overall"]
        assert reached(needed, deviation, points) >= 0.8 > reached(needed - 1, deviation, points)
        assert reached(400, deviation, found["smallest"]["overall"]) == pytest.approx(0.8, abs=1e-6)


def test_cohens_table():
    # Cohen (1988): half a standard deviation, two groups of 64 by t; 63 by the normal distribution.
    scores = np.array([0.0, 100.0] * 5000)
    assert power(report_of(scores), 0.5 * np.std(scores, ddof=1))["needed"]["overall"] == 63


def test_copies_of_an_item_under_one_image_tell_no_more_than_one():
    coins = 100.0 * (DRAW.random(300) < 0.7)
    alone = power(report_of(coins), 1)["needed"]["overall"]
    copied = power(report_of(np.repeat(coins, 4), [row // 4 for row in range(1200)]), 1)
    assert copied["clustered"] == "image"
    assert copied["needed"]["overall"] == pytest.approx(4 * alone, abs=4)


def test_metrics_that_are_no_means_vary_as_their_bootstrap():
    truth = DRAW.choice(["equivalent", "not_equivalent"], 600)
    given = np.where(DRAW.random(600) < 0.8, truth, "equivalent")
    report = label_report("mrpc", range(600), list(given), list(truth))
    f1 = report.summed()[("f1",)]
    sums = np.asarray(f1.sums)
    spread = np.std([f1.finish(sums[rows].sum(axis=0)) for rows in DRAW.integers(600, size=(1500, 600))])
    smallest = power(report, 1)["smallest"]["f1"]
    assert smallest == pytest.approx((1.959964 + 0.841621) * math.sqrt(2) * spread, rel=0.06)


def test_what_does_not_vary_needs_no_number():
    assert power(report_of([50.0] * 9), 1)["needed"] == {}
    assert power(report_of([50.0, 0.0], ["a", "a"]), 1)["smallest"] == {}
    assert power(report_of([50.0, 0.0]), 1, report_of([50.0, 0.0]))["needed"] == {}


@pytest.mark.parametrize("clusters", [None, [0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 7]])
def test_p_is_scipys_permutation_test(clusters):
    one, other = DRAW.random((2, 11)) * 100
    groups = np.arange(11) if clusters is None else np.array(clusters)
    sums = [np.bincount(groups, side) for side in (one, other)]
    exact = stats.permutation_test(
        sums, lambda a, b: (a - b).sum(), permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    found = p_values(report_of(one, clusters), report_of(other, clusters), exchanges=19999)["overall"]
    assert found == pytest.approx(exact.pvalue, abs=0.015)


def test_equal_systems_have_p_1_and_the_least_p_is_one_exchange():
    one = report_of(DRAW.random(50))
    assert p_values(one, one) == {"overall": 1.0}
    assert p_values(report_of([100.0] * 60), report_of([0.0] * 60))["overall"] == 1 / 2000


def test_holm_is_its_step_down_procedure():
    """One is rejected at level a where all with a smaller p are, and p is at most a / how many are left."""
    for size in range(1, 7):
        p = np.round(DRAW.random(size) ** 3, 3)
        for level in DRAW.random(40):
            steps = [value <= level / (size - rank) for rank, value in enumerate(sorted(p))]
            count = steps.index(False) if False in steps else size
            assert sum(one <= level for one in holm(list(p))) == count


def test_holm_by_hand_metric_by_metric():
    # 0.01 · 3; 0.03 · 2; 0.04 · 1 is less than the one before it.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    tables = [{"a": 0.02, "b": {"x": 0.5}}, {"a": 0.01}]
    assert corrected(tables) == [{"a": 0.02, "b": {"x": 0.5}}, {"a": 0.02}]


def test_several_systems_from_files(tmp_path):
    rows = "".join(f"{n}\ta\tb\tentailment\n" for n in range(40))
    (tmp_path / "rte.tsv").write_text("index\tsentence1\tsentence2\tlabel\n" + rows)
    words = ["entailment", "not_entailment"]
    paths = []
    for name, wrong in (("a", 2), ("b", 30), ("c", 3)):
        paths.append(tmp_path / f"{name}.csv")
        body = "".join(f"{n},{words[n < wrong]}\n" for n in range(40))
        paths[-1].write_text("id,prediction\n" + body)
    ours, *others = paths
    report = score("glue:rte", predictions=ours, annotations=tmp_path / "rte.tsv", against=others, power=1)
    far, near = report.to_json()["against"]
    assert (far["predictions"], near["predictions"]) == (str(others[0]), str(others[1]))
    assert far["p"]["accuracy"] == 1 / 2000 and far["p_holm"]["accuracy"] == 2 / 2000
    assert near["p_holm"]["accuracy"] == near["p"]["accuracy"] == 1.0
    assert near["power"]["paired"] and near["power"]["needed"]["accuracy"] == 1963
    with pytest.raises(UserError, match="power is 0; it must be the points"):
        score("glue:rte", predictions=ours, annotations=tmp_path / "rte.tsv", power=0)
