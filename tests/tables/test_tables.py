"""The paper's tables with runs beside: which row a run is, what is joined, what is blank, what is refused."""

import csv
import io
import json
from functools import cache
from pathlib import Path
from statistics import mean, stdev

import pytest

from vlhyper.cli import run as program
from vlhyper.errors import UserError
from vlhyper.run.config import load_config, save_config
from vlhyper.show.sheets import as_csv
from vlhyper.tables.lines import parameters, scores
from vlhyper.tables.rows import TABLES
from vlhyper.tables.runs import Evaluated, read_evaluated

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ELEVEN = TABLES["glue"].figures
config_of = cache(lambda name, *overrides: load_config(CONFIGS / f"{name}.yaml", overrides))


def evaluated(name, *overrides, score=80.0, variant="official", folder="run") -> Evaluated:
    """A run of a config of the repository whose scores rise by one from figure to figure."""
    config = config_of(name, *overrides)
    reports = {}
    for table in TABLES.values():
        for number, column in enumerate(table.figures):
            if column.task in config.tasks:
                report = reports.setdefault(column.task, {"variant": variant, "metrics": {}})
                report["metrics"][column.metric] = score + number
    return Evaluated(Path(folder), config, reports)


def records(table, *runs):
    """What the CSV of a table says, a mapping for each line."""
    return list(csv.DictReader(io.StringIO(as_csv(scores(TABLES[table], runs, "test")))))


def of_ours(found):
    """The lines of runs; a row that was not run has one as well, without figures."""
    return [line for line in found if line["source"].startswith("ours, ")]


def test_without_runs_the_paper_stands_alone_and_ours_is_blank():
    found = records("glue")
    assert [line["source"] for line in found] == ["paper", "ours"] * len(TABLES["glue"].rows)
    assert all(not value for line in found[1::2] for key, value in line.items() if key not in ("method", "source"))
    hyperpelt = found[-2]
    assert hyperpelt["method"] == "HyperPELT"
    assert (hyperpelt["Avg"], hyperpelt["% per task"], hyperpelt["× T5"]) == ("87.085", "0.24", "1.02")


@pytest.mark.parametrize("table", TABLES)
def test_every_config_of_a_table_is_one_of_its_rows(table):
    configs = [path.stem for path in (CONFIGS / table).glob("*.yaml") if not path.stem.startswith(("base", "hub"))]
    found = {}
    for name in configs:
        [line] = of_ours(records(table, evaluated(f"{table}/{name}")))
        found[name] = line["method"]
    # The control is a run of ours.
    assert found.pop("text_only", "HyperPELT (sees no image)") == "HyperPELT (sees no image)"
    assert sorted(found.values()) == sorted(row.title for row in TABLES[table].rows)


def test_the_average_is_that_of_eleven_figures():
    [line] = of_ours(records("glue", evaluated("glue/hyperpelt")))
    assert float(line["Avg"]) == mean(80.0 + number for number in range(11))
    assert (line["MRPC accuracy"], line["MRPC f1"], line["CoLA"]) == ("82.0", "83.0", "80.0")
    incomplete = evaluated("glue/hyperpelt")
    del incomplete.reports["stsb"]["metrics"]["spearman"]
    [line] = of_ours(records("glue", incomplete))
    assert (line["Avg"], line["STS-B pearson"], line["STS-B spearman"]) == ("", "86.0", "")


def test_runs_that_differ_in_their_seed_alone_are_one_line():
    seeds = [
        evaluated("glue/hyperpelt", f"training.seed={seed}", "training.workers=1", score=score, folder=f"run-{seed}")
        for seed, score in enumerate((80.0, 81.0, 85.0))
    ]
    longer = evaluated("glue/hyperpelt", "training.steps=300000")
    first, second = of_ours(records("glue", *seeds, longer))
    assert (first["source"], second["source"]) == ("ours, 262,144 steps, 3 seeds", "ours, 300,000 steps")
    assert (float(first["CoLA"]), float(first["CoLA deviation"])) == (82.0, stdev((80.0, 81.0, 85.0)))
    assert float(first["Avg deviation"]) == pytest.approx(stdev((80.0, 81.0, 85.0)))
    assert second["CoLA deviation"] == ""
    sheet = scores(TABLES["glue"], seeds, "test")
    assert "82.00 ± 2.65" in sheet.rows[-1] and "84.00 ± 2.65 / 85.00 ± 2.65" in sheet.rows[-1]


def test_single_task_runs_are_one_line_and_have_their_average_together():
    runs = [
        evaluated("glue/adapters_single", f"only={task}", f"training.seed={seed}", score=80.0 + seed, folder=task)
        for task in TABLES["glue"].inputs.tasks
        for seed in (0, 1)
    ]
    [line] = of_ours(records("glue", *runs))
    assert line["method"] == "Adapters, a run for each task" and line["source"].endswith("2 seeds")
    assert float(line["Avg"]) == 85.5
    # HyperFormer's table has 0.87 % of T5 alone for a task, and eight such adapters on one T5.
    assert (round(float(line["% per task"]), 2), round(float(line["× T5"]), 2)) == (0.86, 1.07)
    [line] = of_ours(records("glue", *runs[:-2]))
    assert line["Avg"] == line["RTE"] == "" and line["QNLI"]
    [line] = of_ours(records("glue", evaluated("glue/full_finetuning_single")))
    assert float(line["× T5"]) == 8.0


@pytest.mark.parametrize(
    ("name", "overrides", "title"),
    [
        ("glue/hyperpelt", ["model.bottleneck=64"], "HyperPELT (bottleneck 64)"),
        ("glue/hyperpelt", ["only=[rte, cola]"], "HyperPELT on cola, rte"),
        ("glue/hyperpelt", ["model.backbone={d_model: 16}"], "HyperPELT (on a T5 from a config)"),
        ("glue/hyperpelt", ["model.tune=[task embeddings]"], "HyperPELT (task embeddings alone)"),
        ("glue/hyperpelt", ["start=runs/other"], "HyperPELT (begun with other)"),
        ("glue/adapters_single", ["tasks.cola.shots=16"], "Adapters, a run for each task (16 examples)"),
        ("unified", [], "VL-HyperPELT with vqa, vg_qa, gqa and 1 more"),
        ("glue/hyperpelt", ["model={method: lora}"], "LoRA, one for each task"),
    ],
)
def test_a_run_that_is_no_row_of_the_paper_follows_with_what_tells_it_apart(name, overrides, title):
    found = records("glue", evaluated(name, *overrides))
    assert len(found) == 2 * len(TABLES["glue"].rows) + 1
    assert found[-1]["method"] == title and found[-1]["CoLA"] == "80.0"


def test_wrong_images_are_no_row_of_the_paper():
    [line] = of_ours(records("vl", evaluated("vl/vl_hyperpelt", "features.mismatched=true")))
    assert line["method"] == "VL-HyperPELT (mismatched images)"


def test_columns_of_vqa_say_their_variant():
    runs = [evaluated("vl/vl_hyperpelt"), evaluated("vl/clip_t5", variant="vl-t5", score=70.0)]
    sheet = scores(TABLES["vl"], runs, "test")
    parts, variants = ("", " in domain", " out of domain"), ("official", "vl-t5")
    headings = [f"VQA{part} ({variant})" for variant in variants for part in parts]
    assert list(sheet.columns[3:10]) == [*headings, "GQA"]
    ours, clip = of_ours(records("vl", runs[0])), of_ours(records("vl", *runs))[0]
    assert ours[0]["VQA (official)"] == "80.0" and float(ours[0]["% trained"]) == pytest.approx(6.62, abs=5e-3)
    assert (clip["VQA (official)"], clip["VQA (vl-t5)"], clip["GQA"]) == ("", "70.0", "73.0")


def test_two_runs_of_one_seed_are_refused():
    runs = [evaluated("glue/hyperpelt", folder=folder) for folder in ("first", "second")]
    with pytest.raises(UserError, match=r"first and second: are runs of one config with one seed \(0\); leave one"):
        records("glue", *runs)


def test_table_3_has_formulas_counts_and_runs():
    runs = [evaluated("glue/hyperpelt"), evaluated("vl/text_only")]
    found = {(row[0], row[1]): row[2:] for row in parameters(TABLES.values(), runs).rows}
    assert found["HyperPELT", "paper, formula"][0] == "3,316,480"
    assert found["HyperPELT", "paper"] == ("", "", "0.24", "1.02")
    assert found["HyperPELT", "built"] == found["HyperPELT", "run"] == ("4,384,024", "1.93", "0.24", "1.02")
    assert found["VL-HyperPELT", "built"][:2] == ("15,796,528", "6.62")
    assert found["Full fine-tuning, a run for each task", "built"] == ("222,903,552", "100.00", "100.00", "8.00")
    assert found["HyperPELT (sees no image)", "run"][0] == "7,530,776"


@pytest.fixture
def folder(tmp_path):
    """folder(scores): a run folder of HyperPELT on GLUE with this scores.json, none where None."""

    def made(content, name="run"):
        save_config(config_of("glue/hyperpelt"), tmp_path / name / "config.yaml")
        if content is not None:
            (tmp_path / name / "scores.json").write_text(json.dumps(content))
        return tmp_path / name

    return made


def test_the_command_prints_and_writes(folder, tmp_path, capsys):
    reports = {"rte": {"task": "glue:rte", "variant": None, "metrics": {"accuracy": 71.125}}, "cola": {"metrics": {}}}
    program(["table", "glue", str(folder({"test": reports})), "--out", str(tmp_path / "tables/one.v2")])
    shown = capsys.readouterr()
    assert "Table 1: GLUE" in shown.out and "71.13" in shown.out
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {"one.v2.md", "one.v2.csv", "one.v2.tex"}
    assert "71.125" in (tmp_path / "tables/one.v2.csv").read_text()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "has no scores yet (scores.json is missing); make them with: vlhyper evaluate"),
        ({"val": {}}, "has no scores of the split 'test', only of val; make them with: vlhyper evaluate"),
        ({"test": []}, "'test' does not hold reports by task"),
        ({"test": {"rte": 3}}, "'test' does not hold reports by task"),
        ({"test": {"vqa": {"metrics": {}}}}, "qnli, rte; make them with: vlhyper evaluate"),
        ([], "it must be a JSON object"),
    ],
)
def test_what_is_no_evaluated_run_is_refused_in_one_line(folder, content, told):
    with pytest.raises(UserError) as refusal:
        read_evaluated(folder(content), "test", TABLES["glue"].inputs.tasks)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_run_of_other_tasks_is_refused(folder):
    with pytest.raises(UserError, match="has no scores of vqa; this table is not about the tasks of this run"):
        read_evaluated(folder({"test": {}}), "test", ["vqa"])


@pytest.mark.parametrize("table", ["glue", "vl", "params"])
def test_what_is_no_run_is_refused_in_one_line(table, tmp_path):
    with pytest.raises(UserError, match=r"not a run folder \(config.yaml is missing\); name one"):
        program(["table", table, str(tmp_path)])
