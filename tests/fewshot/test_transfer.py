"""Few-shot runs of a small model: what is drawn, tuned, scored, skipped, resumed and shown."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from run_cases import forget_accelerate, text_task
from safetensors.torch import load_file, save_file

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.fewshot.results import read_results
from vlhyper.fewshot.study import plan
from vlhyper.fewshot.transfer import transfer
from vlhyper.files import read_json, sha256
from vlhyper.model.spec import WEIGHTS
from vlhyper.run.train import train

pytestmark = pytest.mark.usefixtures("fresh_process")
ROWS = "makers.hyper.sources.task.weight"
SHORT = ["training.steps=2", "training.learning_rate=0.1", "validation.every=1"]


@pytest.fixture(scope="module")
def old(lab, tmp_path_factory):
    """A run of vqa, vg_qa, gqa and caption."""
    forget_accelerate()
    folder = tmp_path_factory.mktemp("runs") / "old"
    train(lab.run("training.steps=1"), folder)
    return folder


@pytest.fixture(scope="module")
def done(old):
    """TaskEmbed on OK-VQA without examples and with four, twice; weights are kept."""
    out = old / "fewshot"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        results = transfer(plan(old, "okvqa", tune="task-embedding", overrides=SHORT), out, [4], 2, keep=True)
    return out, results


def cell(out, shots, seed, name="vl_hyperpelt.task-embeddings"):
    return out / "okvqa" / name / f"shots-{shots:04d}" / f"seed-{seed}"


def test_one_json_a_run_says_what_was_done(old, done):
    out, results = done
    assert read_results([out]) == results
    assert [(one.shots, one.seed, one.steps) for one in results] == [(0, 0, 0), (4, 0, 2), (4, 1, 2)]
    for one in results:
        assert (one.task, one.title, one.tune, one.n) == ("okvqa", "VL-HyperPELT TaskEmbed", ["task embeddings"], 6)
        assert one.start == {"run": str(old), "sha256": sha256(old / WEIGHTS)}
        # z of one task: N = 4 cells, d_τ = 8.
        assert one.trained == 4 * 8
        scores = read_json(cell(out, one.shots, one.seed) / "scores.json")["test"]["okvqa"]
        assert one.metrics == {"overall": scores["metrics"]["overall"]} and one.score == one.metrics["overall"]
    assert results[0].sample_sha256 is None and results[0].validation is None
    assert results[1].sample_sha256 != results[2].sample_sha256 and results[1].best_step in (1, 2)


def test_without_examples_the_new_task_is_the_mean_of_the_others(old, done):
    before, after = load_file(old / WEIGHTS), load_file(cell(done[0], 0, 0) / WEIGHTS)
    torch.testing.assert_close(after[ROWS], before[ROWS].mean(0, keepdim=True), rtol=0, atol=1e-7)
    assert all(torch.equal(after[name], before[name]) for name in before.keys() - {ROWS})


def test_the_task_embedding_alone_is_tuned_from_there(done):
    begin, *tuned = (load_file(cell(done[0], *one) / WEIGHTS) for one in ((0, 0), (4, 0), (4, 1)))
    for after in tuned:
        assert not torch.equal(after[ROWS], begin[ROWS])
        assert all(torch.equal(after[name], begin[name]) for name in begin.keys() - {ROWS})


def test_the_samples_are_the_same_for_every_method_and_folders_are_left_small(old, done, tmp_path, capsys):
    prompt = plan(old, "okvqa", method="prompt_tuning", overrides=SHORT)
    results = transfer(prompt, tmp_path, [4, 500], 1)
    # 4 · 8 numbers are two tokens of a T5 of width 16.
    assert [(one.shots, one.trained, one.start) for one in results] == [(0, 32, None), (4, 32, None)]
    assert results[1].sample_sha256 == done[1][1].sample_sha256
    told = capsys.readouterr().err
    assert "okvqa: 500 shots are left out; the training split has 24 rows with an answer" in told
    folder = cell(tmp_path, 4, 0, "prompt_tuning")
    assert {path.name for path in folder.iterdir()} >= {"result.json", "config.yaml", "log.jsonl", "predictions"}
    assert not (folder / "checkpoints").exists() and not (folder / WEIGHTS).exists()
    assert "step 2: okvqa.overall" in (folder / "messages.txt").read_text() and "step 2" not in told


def test_finished_runs_are_skipped_and_a_killed_one_is_run_again(old, done, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    study = plan(old, "okvqa", tune="task-embedding", overrides=SHORT)
    monkeypatch.setattr("vlhyper.fewshot.transfer.train", interrupted)
    assert transfer(study, out, [4], 2) == done[1]
    monkeypatch.undo()
    # Killed between training and its evaluation.
    shutil.rmtree(cell(out, 4, 1))
    monkeypatch.setattr("vlhyper.fewshot.transfer.evaluate_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        transfer(study, out, [4], 2)
    monkeypatch.undo()
    again = transfer(study, out, [4], 2)
    assert [one.model_copy(update={"seconds": 0}) for one in again] == [
        one.model_copy(update={"seconds": 0}) for one in done[1]
    ]
    other = plan(old, "okvqa", tune="task-embedding", overrides=[*SHORT, "training.steps=3"])
    with pytest.raises(UserError, match=r"seed-0: holds a few-shot run of another config: training\.steps: 2, now 3"):
        transfer(other, out, [4], 2)


def test_results_of_a_run_that_was_trained_again_since_are_refused(old, done, tmp_path):
    # The run in its place and the results elsewhere, both as they were: nothing differs but the weights.
    shutil.copytree(done[0], tmp_path / "out")
    weights = load_file(old / WEIGHTS)
    before = (old / WEIGHTS).read_bytes()
    save_file({**weights, ROWS: weights[ROWS] + 1}, old / WEIGHTS)
    try:
        with pytest.raises(UserError, match=r"the weights of .*old are others now; choose another --out"):
            transfer(plan(old, "okvqa", tune="task-embedding", overrides=SHORT), tmp_path / "out", [4], 2)
    finally:
        (old / WEIGHTS).write_bytes(before)


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_the_commands_print_one_table_and_draw_one_figure(old, done, tmp_path, monkeypatch, capsys):
    words = ["--task", "okvqa", "--shots", "4", "--seeds", "2", "--tune", "task-embedding"]
    run(["fewshot", str(old), *SHORT, *words])
    shown = capsys.readouterr().out
    assert "VL-HyperPELT TaskEmbed" in shown and "±" in shown
    assert (old / "fewshot/fewshot.png").stat().st_size > 9999 and (old / "fewshot/fewshot.svg").is_file()
    run(["fewshot-plot", str(done[0]), "--out", str(tmp_path / "both.svg")])
    assert capsys.readouterr().out == shown and (tmp_path / "both.png").is_file()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="start the command once for each"):
        run(["fewshot", str(old), *SHORT, *words])


def test_a_test_split_that_is_not_there_is_refused_before_anything_is_trained(old, tmp_path):
    with pytest.raises(UserError, match=r"world_okvqa: has no split 'tset'; name one with tasks\.okvqa\.test=SPLIT"):
        transfer(plan(old, "okvqa", overrides=["tasks.okvqa.test=tset"]), tmp_path, [4], 1)
    assert not any(tmp_path.iterdir())


def test_a_run_with_images_learns_a_text_task_from_what_its_task_side_makes(old, tmp_path):
    words = text_task(tmp_path).removeprefix("tasks.sst2=")
    (tmp_path / "sst2.yaml").write_text(yaml.safe_dump(json.loads(words)["data"]))
    study = plan(old, "sst2", data=str(tmp_path / "sst2.yaml"), overrides=SHORT)
    results = transfer(study, tmp_path / "out", [4], 1, keep=True)
    assert [one.n for one in results] == [8, 8]
    begin, after = (load_file(study.folder(tmp_path / "out", one) / WEIGHTS) for one in study.cells([0, 4], 1))
    changed = {name for name in begin if not torch.equal(begin[name], after[name])}
    assert ROWS in changed and not any("visual" in name for name in changed)
