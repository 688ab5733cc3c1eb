"""What a comparison consists of, and how its runs are summed up."""

import pytest

from vlhyper.compare.plan import Cell, Plan, compared, model_of, named
from vlhyper.compare.results import Result, best_rates, summed_up, table_of, write_table
from vlhyper.errors import UserError
from vlhyper.files import read_json
from vlhyper.model.methods import METHODS
from vlhyper.model.spec import Inputs, ModelSpec, count
from vlhyper.world import tiny

DEMO = {"backbone": str(tiny() / "t5"), "method": "vl_hyperpelt", "embedding_width": 64, "hyper_width": 64}
DEMO |= {"projector_width": 128, "bottleneck": 8}


def result(method: str, rate: float, validation: float, seed: int = 0, **scores: float) -> Result:
    cost = {"seconds_per_step": 0.5, "examples_per_second": 128.0, "memory": 10.0 + seed}
    return Result(
        method=method, title=METHODS[method].title, rate=rate, seed=seed, steps=2, trained=100, total=1000,
        validation=validation, scores=scores, **cost,
    )  # fmt: skip


def test_a_rate_is_searched_with_the_first_seed_and_repeated_with_the_others(tmp_path):
    plan = Plan(tmp_path, ("clip_t5", "vl_adapter"), rates=(1e-3, 3e-3), seeds=3, steps=600)
    searched = list(plan.search())
    assert searched == [Cell(name, rate, 0) for name in plan.methods for rate in plan.rates]
    repeats = list(plan.repeats({"clip_t5": 1e-3, "vl_adapter": 3e-3}))
    assert repeats == [
        Cell(name, rate, seed) for name, rate in (("clip_t5", 1e-3), ("vl_adapter", 3e-3)) for seed in (1, 2)
    ]
    assert len({plan.folder(cell) for cell in (*searched, *repeats)}) == 8


def test_all_that_see_grids_are_compared_and_one_that_does_not():
    names = compared()
    assert names[0] == "hyperpelt" and METHODS["hyperpelt"].images == "none"
    assert {"clip_t5", "vl_adapter", "vl_lora", "vl_hyperpelt", "vl_hyperpelt_visual_prefix"} < set(names)
    assert "vl_t5" not in names and len(set(names)) == len(names)
    with pytest.raises(UserError, match="'vl_t5' reads regions with boxes"):
        named(["vl_t5"])
    with pytest.raises(UserError, match=r"unknown method 'vl_adaptor'.*vl_adapter"):
        named(["vl_adaptor"])


@pytest.mark.parametrize("name", compared())
def test_every_method_takes_the_settings_that_it_has(name):
    model = model_of(name, DEMO)
    counts = count(ModelSpec(**model), Inputs(tasks=("vqa", "gqa"), tokens=49, width=128))
    assert model["method"] == name and counts.trained > 0
    assert model.get("bottleneck", 8) == (32 if name.startswith("vl_adapter") else 8)


def test_the_best_validation_chooses_and_the_lowest_rate_among_equals():
    runs = [result("clip_t5", 1e-3, 50.0), result("clip_t5", 3e-4, 50.0), result("vl_lora", 1e-3, 40.0)]
    assert best_rates([*runs, result("vl_lora", 3e-3, 41.0)]) == {"clip_t5": 3e-4, "vl_lora": 3e-3}


def test_means_and_deviations_over_seeds_in_a_table_a_file_and_a_figure(tmp_path):
    runs = [
        result("vl_lora", 1e-3, 50.0, seed, **{"vqa.overall": score, "mean": score})
        for seed, score in enumerate((40.0, 50.0, 60.0))
    ]
    # A rate that was tried and not chosen.
    [row] = summed_up([*runs, result("vl_lora", 3e-3, 1.0)], ["vl_lora"])
    assert (row.rate, row.share, row.memory) == (1e-3, 10.0, 11.0)
    assert str(row.scores["vqa.overall"]) == "50.0 ± 10.0"
    columns, [line] = table_of([row])
    assert dict(zip(columns, line, strict=True))["mean"] == "50.0 ± 10.0"
    markdown, values, png, svg = write_table([row], tmp_path)
    assert "| 50.0 ± 10.0 |" in markdown.read_text()
    assert read_json(values)[0]["scores"]["mean"] == {"mean": 50.0, "deviation": 10.0}
    assert png.stat().st_size > 10_000 and ">vqa.overall</text>" in svg.read_text()
    with pytest.raises(UserError, match="'clip_t5' has no scored run"):
        summed_up(runs, ["clip_t5"])
