"""A start from another run's trained weights: what is taken, what starts anew, what is refused."""

from __future__ import annotations

import shutil

import pytest
import torch
from run_cases import forget_accelerate, losses, save_small_t5, write_features
from safetensors.torch import load_file, save_file

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.features import open_features
from vlhyper.files import read_json, sha256
from vlhyper.model.model import WEIGHTS, VLHyperPELT
from vlhyper.run.check import problems
from vlhyper.run.config import load_config
from vlhyper.run.rows import find_features, model_inputs, stated
from vlhyper.run.start import start_from
from vlhyper.run.tasks import resolve
from vlhyper.run.train import train

pytestmark = pytest.mark.usefixtures("fresh_process")
ROWS = "makers.hyper.sources.task.weight"


@pytest.fixture(scope="module")
def old(lab, tmp_path_factory):
    """A run of vqa, vg_qa, gqa and caption."""
    forget_accelerate()
    folder = tmp_path_factory.mktemp("runs") / "old"
    train(lab.run("training.steps=2"), folder)
    return folder


def okvqa(lab, *more):
    """The lab's run with its tasks in another order, one of them new and two gone."""
    tasks = "tasks={gqa: {data: gqa.yaml}, okvqa: {data: okvqa.yaml}, vqa: {data: vqa.yaml}}"
    here = (f"tasks.{name}.data={lab.folder / name}.yaml" for name in ("gqa", "okvqa", "vqa"))
    return [tasks, *here, "training.steps=1", *more]


def built(new):
    features = find_features(new)
    return VLHyperPELT.build(new.config.model, model_inputs(stated(new, features), features))


def test_everything_is_taken_and_rows_of_tasks_by_their_names(lab, old):
    model = built(lab.run(*okvqa(lab)))
    fresh, state = model.state(), load_file(old / WEIGHTS)
    taken = start_from(model, old)
    now = model.state()
    assert (taken.carried, taken.new, taken.left) == (["gqa", "vqa"], ["okvqa"], ["vg_qa", "caption"])
    assert taken.sha256 == sha256(old / WEIGHTS) and taken.tensors == len(state) == len(now)
    for name in now.keys() - {ROWS}:
        assert torch.equal(now[name], state[name]), name
    for number, before in enumerate((state[ROWS][2], fresh[ROWS][1], state[ROWS][0])):
        assert torch.equal(now[ROWS][number], before)
    assert "rows of gqa, vqa are carried over, those of okvqa start anew, those of vg_qa, caption are left" in str(
        taken
    )


def test_new_tasks_may_begin_as_the_mean_of_all_tasks_of_the_run(lab, old):
    model, state = built(lab.run(*okvqa(lab))), load_file(old / WEIGHTS)
    taken = start_from(model, old, mean=True)
    torch.testing.assert_close(model.state()[ROWS][1], state[ROWS].mean(0), rtol=0, atol=1e-7)
    assert torch.equal(model.state()[ROWS][2], state[ROWS][0])
    assert "those of okvqa start as the mean of all that it has" in str(taken)


def test_a_run_that_tunes_less_starts_from_one_that_tuned_all(lab, old):
    start_from(built(lab.run(*okvqa(lab, "model.tune=[task embeddings]"))), old)


def test_training_starts_there_with_fresh_steps_and_says_so(lab, old, tmp_path, capsys):
    train(lab.run(*okvqa(lab, f"start={old}")), tmp_path / "new")
    assert f"{tmp_path / 'new'}: starts from {old / WEIGHTS} (SHA-256 " in capsys.readouterr().err
    assert read_json(tmp_path / "new/inputs.json")["start"] == sha256(old / WEIGHTS)
    assert load_config(tmp_path / "new/config.yaml").start == str(old)
    train(lab.run(*okvqa(lab)), tmp_path / "alone")
    assert losses(tmp_path / "new").keys() == losses(tmp_path / "alone").keys() == {1}
    assert losses(tmp_path / "new") != losses(tmp_path / "alone")


def test_the_run_that_was_started_from_may_be_gone_or_elsewhere_when_it_is_resumed(lab, old, tmp_path):
    shutil.copytree(old, tmp_path / "copy")
    options = ["training.checkpoint_every=1", f"start={tmp_path / 'copy'}"]
    train(lab.run("training.steps=1", *options), tmp_path / "new")
    with pytest.raises(UserError, match="holds a run of another config: start: "):
        train(lab.run("training.steps=2", options[0]), tmp_path / "new")
    train(lab.run("training.steps=2", options[0], f"start={old}"), tmp_path / "new")
    shutil.rmtree(tmp_path / "copy")
    train(lab.run("training.steps=3", options[0], f"start={old}"), tmp_path / "new")
    assert max(losses(tmp_path / "new")) == 3


def test_tables_of_prefixes_are_matched_by_task_too(lab, tmp_path):
    plain = lab.plain("prefix_tuning", ["embedding_width", "projector_width", "hyper_width", "bottleneck"], tmp_path)
    train(resolve(load_config(plain, ["training.steps=1"])), tmp_path / "old")
    model = built(resolve(load_config(plain, [f"tasks={{vqa: {{data: '{lab.folder}/vqa.yaml'}}}}"])))
    assert start_from(model, tmp_path / "old").carried == ["vqa"]
    assert model.state()["makers.free.encoder_self.key"].shape[0] == 1


def other_method(lab, tmp_path):
    return ["model.method=hyperpelt"], "model.method is 'vl_hyperpelt', not 'hyperpelt' as in this run"


def other_option(lab, tmp_path):
    return ["model.bottleneck=5"], "model.bottleneck is 4, not 5 as in this run"


def other_grid(lab, tmp_path):
    write_features(tmp_path / "wide.h5", open_features(lab.folder / "features.h5").ids, (4, 7))
    return [f"features.files=[{tmp_path / 'wide.h5'}]"], "features.width is 6, not 7 as in this run"


def other_encoder(lab, tmp_path):
    write_features(tmp_path / "other.h5", open_features(lab.folder / "features.h5").ids, encoder="RN50")
    return [f"features.files=[{tmp_path / 'other.h5'}]"], "features.encoder is 'RN101', not 'RN50' as in this run"


def not_trained(lab, tmp_path):
    (tmp_path / "empty").mkdir()
    return [f"start={tmp_path / 'empty'}"], "adapter_model.safetensors: no such file"


def nothing(lab, tmp_path):
    return ["start=no/such"], "no/such: neither a local run folder nor a repository that is available"


CHANGES = [other_method, other_option, other_grid, other_encoder, not_trained, nothing]


@pytest.mark.parametrize("change", CHANGES)
def test_another_model_is_refused_in_one_line_by_check_and_by_train(lab, old, tmp_path, change):
    changes, told = change(lab, tmp_path)
    changed = lab.run(f"start={old}", *changes)
    assert any(told in problem for problem in problems(changed.config, lambda _: None))
    with pytest.raises(UserError) as refusal:
        train(changed, tmp_path / "new")
    assert told in str(refusal.value) and "\n" not in str(refusal.value)
    assert not (tmp_path / "new/config.yaml").exists()


def test_another_backbone_is_refused(lab, old, tmp_path):
    torch.manual_seed(1)
    save_small_t5(tmp_path / "t5", 0.0)
    weights = load_file(tmp_path / "t5/model.safetensors")
    save_file({**weights, "shared.weight": weights["shared.weight"] + 1}, tmp_path / "t5/model.safetensors")
    with pytest.raises(UserError, match=r"was trained on another backbone than this run's"):
        train(lab.run(f"start={old}", f"model.backbone={tmp_path / 't5'}"), tmp_path / "new")


def test_the_command_takes_the_run_as_it_is_written(lab, tmp_path):
    (tmp_path / "run: 1").mkdir()
    with pytest.raises(UserError, match=r"run: 1/adapter_model\.safetensors: no such file"):
        run(["train", str(lab.path), "--from", str(tmp_path / "run: 1"), "--out", str(tmp_path / "new")])
