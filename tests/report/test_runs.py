"""`vlhyper report` of run folders that were not trained: config, log and predictions as a run writes them. No torch."""

import json
import shutil
from pathlib import Path

import pytest
from page_cases import behind, parsed

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.report.runs import frontier
from vlhyper.run.config import load_config, save_config, task_of
from vlhyper.world import build

BACKBONE = {"d_model": 16, "d_kv": 4, "num_heads": 4, "num_layers": 1, "d_ff": 24}
TASKS = ("vqa", "caption")
SPLIT = "test"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    build(folder, sizes={"train": 2, "val": 1, SPLIT: 6, "unseen": 1})
    return folder


def write_run(world, folder, wrong: int, bottleneck: int = 4, memory: float = 900.0):
    """A run folder whose every `wrong`th answer is wrong."""
    folder.mkdir()
    model = {"backbone": BACKBONE, "embedding_width": 8, "bottleneck": bottleneck}
    values = {"model": model, "tasks": {name: {"data": str(world / f"{name}.yaml")} for name in TASKS}}
    values["features"] = {"encoder": "RN101", "tokens": 4, "width": 6}
    (folder / "config.yaml").write_text(json.dumps(values))
    save_config(load_config(folder / "config.yaml"), folder / "config.yaml")
    lines = [
        {"step": 5, "loss": {"vqa": 2.0, "caption": 3.0}, "seconds_per_step": 0.5, "memory_mb": memory},
        {"step": 5, "validation": {"vqa.overall": 40.0, "mean": 40.0}},
        {"step": 9, "loss": {"vqa": 1.0}, "seconds_per_step": 0.4, "memory_mb": memory - 1},
        {"step": 9, "validation": {"vqa.overall": 60.0, "mean": 60.0}},
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 10, "lo')
    annotations = world / "annotations"
    truth = json.loads((annotations / f"vqa_{SPLIT}_annotations.json").read_text())["annotations"]
    answers = [
        {"question_id": one["question_id"], "answer": one["multiple_choice_answer"] if (n + 1) % wrong else "wrong"}
        for n, one in enumerate(truth)
    ]
    references = json.loads((annotations / f"caption_{SPLIT}_annotations.json").read_text())["annotations"]
    captions = {one["image_id"]: one["caption"] for one in references}
    (folder / "predictions").mkdir()
    (folder / f"predictions/vqa.{SPLIT}.json").write_text(json.dumps(answers))
    given = [{"image_id": image, "caption": caption} for image, caption in captions.items()]
    (folder / f"predictions/caption.{SPLIT}.json").write_text(json.dumps(given))
    right = 100 * (1 - len(answers) // wrong / len(answers))
    scores = {
        "vqa": {"n": len(answers), "metrics": {"overall": right}},
        "caption": {"n": len(given), "metrics": {"CIDEr": 99.0, "SPICE": 12.5}},
    }
    (folder / "scores.json").write_text(json.dumps({SPLIT: scores}))
    return folder


@pytest.fixture(scope="module")
def runs(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [write_run(world, folder / "good", 8), write_run(world, folder / "bad", 2, bottleneck=8)]


@pytest.fixture(scope="module")
def both(runs, world):
    out = runs[0].parent / "both.html"
    run(["report", *map(str, runs), "--images", str(world / "images"), "--out", str(out)])
    return parsed(out)


def test_two_runs_stand_side_by_side_on_the_same_items(both):
    sections = {section["title"]: section for section in both.data["sections"]}
    assert list(sections) == ["all tasks", "vqa", "caption"]
    vqa = sections["vqa"]
    assert vqa["systems"] == ["good", "bad"] and len(vqa["ids"]) == 36
    good, bad = (sum(scores) / 36 for scores in vqa["scores"][0])
    assert (good, bad) == pytest.approx((100 * 32 / 36, 50))
    # Every 2nd is wrong in the one, every 8th in both.
    assert len(behind(vqa, [["compared with bad", "good better"]])) == 14
    # Every sample has its picture, found by the manifest's keys.
    assert vqa["pictures"] and min(vqa["pictures"]) >= 0 and vqa["texts"]["question"][0].endswith("?")
    assert "-38.89" in both.words and "36 of 36 scored · official" in both.words


def test_what_was_not_computed_again_is_shown_as_it_was_scored(both):
    [caption] = [one for one in both.data["sections"] if one["title"] == "caption"]
    assert caption["metrics"] == ["CIDEr"]
    assert "SPICE" in both.words and both.words.count("12.50") == 2
    assert any("is of other predictions or data" in words for words in both.words)


def test_curves_costs_counts_and_commands_are_there(both, runs):
    words = " ".join(both.words)
    for told in (
        "training loss",
        "validation overall",
        "validation mean",
        "mean over trained parameters",
        "vqa overall over seconds per step",
        "vqa overall over memory in MB",
        "mean 60.00 at step 9",
        "adapter hypernetworks",
        f"vlhyper train {runs[0]}/config.yaml --out {runs[0]}_again",
        f"vlhyper report {runs[0]} {runs[1]} --split test",
        "bottleneck: 8",
        "900 MB",
    ):
        assert told in words, told
    # Each point tells its value, and where it stands.
    assert "good: vqa overall 88.89, seconds per step 0.4" in words
    assert len([one for one in both.all("svg") if one["role"] == "img" and one["aria-label"]]) >= 10


def test_without_the_data_the_scores_are_shown_and_the_page_says_why(world, tmp_path):
    other = tmp_path / "world"
    shutil.copytree(world, other)
    folder = write_run(other, tmp_path / "run", 4)
    shutil.rmtree(other)
    run(["report", str(folder)])
    page = parsed(folder / "report.html")
    assert any("Samples are left out" in words and "vqa.yaml" in words for words in page.words)
    assert "75.00" in page.words and not page.opening


def test_a_run_that_is_not_evaluated_yet_shows_its_curves(world, tmp_path):
    folder = write_run(world, tmp_path / "run", 4)
    (folder / "scores.json").unlink()
    shutil.rmtree(folder / "predictions")
    run(["report", str(folder)])
    words = " ".join(parsed(folder / "report.html").words)
    assert "training loss" in words and f"vlhyper evaluate {folder} --split test" in words


def test_runs_that_answered_different_items_are_compared_on_those_of_both(world, runs, tmp_path):
    folder = write_run(world, tmp_path / "few", 4)
    (folder / "predictions/caption.test.json").unlink()
    path = folder / "predictions/vqa.test.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:12]))
    run(["report", str(folder), str(runs[0]), "--out", str(tmp_path / "page.html")])
    page = parsed(tmp_path / "page.html")
    [vqa] = [one for one in page.data["sections"] if one["title"] == "vqa"]
    assert len(vqa["ids"]) == 12
    assert "Scored on the 12 items that all of these runs answered." in page.words


def test_runs_that_were_scored_by_different_metrics_share_what_both_have(world, runs, tmp_path):
    folder = write_run(world, tmp_path / "more", 8)
    scores = json.loads((folder / "scores.json").read_text())
    scores[SPLIT]["caption"]["metrics"]["METEOR"] = 31.25
    (folder / "scores.json").write_text(json.dumps(scores))
    run(["report", str(folder), str(runs[1]), "--out", str(tmp_path / "page.html")])
    page = parsed(tmp_path / "page.html")
    [caption] = [one for one in page.data["sections"] if one["title"] == "caption"]
    assert caption["metrics"] == ["CIDEr"]
    assert page.words.count("31.25") == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "not a run folder"), ({SPLIT: {"vqa": {"metrics": {"overall": "many"}}}}, "holds no scores by task")],
)
def test_a_folder_that_is_no_run_is_told(content, told, world, tmp_path):
    folder = tmp_path / "run"
    if content is None:
        folder.mkdir()
    else:
        (write_run(world, folder, 4) / "scores.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=told):
        run(["report", str(folder)])
    assert not (folder / "report.html").exists()


def test_the_papers_figures_stand_beside_a_run_that_is_its_row(tmp_path):
    config = load_config(Path(__file__).parents[2] / "configs/glue/hyperpelt.yaml")
    metrics = {name: {"metrics": dict.fromkeys(task_of(config, name).metrics, 80.0)} for name in config.tasks}
    save_config(config, tmp_path / "config.yaml")
    (tmp_path / "scores.json").write_text(json.dumps({SPLIT: metrics}))
    run(["report", str(tmp_path)])
    words = parsed(tmp_path / "report.html").words
    assert "the paper" in words and "80.00" in words
    # Table 1's mean of eleven figures, the only one of this row that the program knows.
    assert words.count("87.08") + words.count("87.09") == 1


def test_the_frontier_is_what_no_cheaper_run_reaches():
    points = [(3.0, 50.0), (1.0, 40.0), (2.0, 30.0), (4.0, 50.0), (1.0, 20.0), (5.0, 60.0)]
    assert frontier(points) == [(1.0, 40.0), (3.0, 50.0), (5.0, 60.0)]
