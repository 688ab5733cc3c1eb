"""A comparison on a world of a few pictures and for a few steps, in this process."""

import shutil

import pytest
import yaml

from vlhyper.compare import work
from vlhyper.compare.plan import Plan
from vlhyper.errors import JobError, UserError
from vlhyper.files import read_json

pytestmark = pytest.mark.usefixtures("fresh_process")
SHORT = ("validation.sample=4",)


@pytest.fixture(scope="module")
def ran(lab, tmp_path_factory):
    """The folder of a comparison, how often a run was trained in it, and its rows."""
    out = tmp_path_factory.mktemp("comparisons") / "compare"
    shutil.copytree(lab.folder, out)
    config = yaml.safe_load((out / "run.yaml").read_text())
    config["tasks"] = {name: config["tasks"][name] for name in ("vqa", "gqa")}
    started = []

    def here(folder, config, threads, scored):
        started.append(folder.relative_to(out).as_posix())
        work._work(folder, config, threads, scored)

    def write_config(folder):
        (folder / "demo.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "_in_process", here)
        patch.setattr(work, "write_config", write_config)
        # The runs are in this process, whose threads would stay more than one for all tests that follow.
        patch.setattr(work.os, "cpu_count", lambda: 1)
        (out / "demo.yaml").touch()
        plan = Plan(out, ("hyperpelt", "vl_lora"), rates=(1e-3, 3e-3), seeds=2, steps=2, overrides=SHORT)
        rows = work.compare(plan, jobs=1)
        yield plan, started, rows


def test_a_row_for_each_method_with_scores_of_the_chosen_rate(ran):
    plan, _, rows = ran
    assert [row.method for row in rows] == ["hyperpelt", "vl_lora"]
    for row in rows:
        assert list(row.scores) == ["vqa.overall", "gqa.accuracy", "mean"]
        assert row.trained > 0 and row.seconds_per_step > 0 and row.memory > 0
        folder = plan.out / f"runs/{row.method}/rate-{row.rate:g}"
        for metric, point in row.scores.items():
            seeds = [read_json(folder / f"seed-{seed}/result.json")["scores"][metric] for seed in (0, 1)]
            assert point.mean == pytest.approx(sum(seeds) / 2)
        # What the run itself wrote down.
        scores = read_json(folder / "seed-1/scores.json")["test"]
        assert (
            read_json(folder / "seed-1/result.json")["scores"]["gqa.accuracy"] == scores["gqa"]["metrics"]["accuracy"]
        )


def test_every_run_is_trained_once_and_a_second_comparison_runs_nothing(ran):
    plan, started, rows = ran
    # Two rates and a second seed for each of two methods; the chosen run of the first seed is scored afterwards.
    assert len(set(started)) == 2 * 3 and len(started) == 2 * 4
    before = len(started)
    assert work.compare(plan, jobs=1) == rows
    assert len(started) == before


def test_another_plan_in_the_same_folder_is_refused(ran):
    plan, _, _ = ran
    with pytest.raises(
        UserError, match=r"rate-0.001/seed-0: holds a run of another comparison \(training.steps: 2, now 3"
    ):
        work.compare(Plan(plan.out, plan.methods, plan.rates, seeds=3, steps=3, overrides=SHORT), jobs=1)


@pytest.mark.parametrize("error", [JobError("the disk is full"), KeyboardInterrupt()])
def test_the_first_failure_ends_a_comparison(tmp_path, monkeypatch, error):
    begun = []

    def fails(folder, config, threads, scored):
        begun.append(folder)
        raise error

    monkeypatch.setattr(work, "_in_process", fails)
    plan = Plan(tmp_path, ("hyperpelt", "vl_lora"), rates=(1e-3, 3e-3), seeds=2, steps=2)
    work.begin(tmp_path)
    (tmp_path / "features.h5").touch()
    with pytest.raises(type(error)):
        work.compare(plan, jobs=1)
    assert len(begun) < len(list(plan.search()))


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UserError, match="not the folder of a comparison"):
        work.begin(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
