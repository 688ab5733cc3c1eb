"""Checkpoints: what comes back, what is left after a kill, what is refused."""

import json

import pytest
import torch

from vlhyper.errors import JobError, UserError
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.spec import Inputs, ModelSpec
from vlhyper.run.checkpoints import (
    Progress,
    fresh_seed,
    load_checkpoint,
    newest,
    require_finite_state,
    save_checkpoint,
)

SIZES = {"embedding_width": 4, "projector_width": 5, "hyper_width": 3, "bottleneck": 2}
T5 = {"vocab_size": 20, "d_model": 8, "d_kv": 2, "num_heads": 2, "num_layers": 1, "d_ff": 8}


def job(tasks=("vqa",)):
    """A model at step 0 and its optimiser."""
    torch.manual_seed(0)
    model = VLHyperPELT.build(ModelSpec(backbone=T5, **SIZES), Inputs(tasks=tasks, tokens=3, width=5))
    return model, torch.optim.AdamW([weight for _, weight in model.trained()], lr=0.1)


def step(model, optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _, weight in model.trained():
        weight.grad = torch.randn(weight.shape, generator=generator)
    optimizer.step()


def weights(model) -> dict:
    return {name: value.clone() for name, value in model.state().items()}


def test_a_loaded_job_goes_on_as_the_saved_one(tmp_path):
    model, optimizer = job()
    step(model, optimizer, 1)
    model.standardise(torch.arange(5.0), torch.tensor(2.0))
    save_checkpoint(tmp_path, model, optimizer, Progress(1, 33.0, 1))
    again, its_optimizer = job()
    assert load_checkpoint(tmp_path, again, its_optimizer) == Progress(1, 33.0, 1)
    assert all(torch.equal(value, weights(model)[name]) for name, value in weights(again).items())
    step(model, optimizer, 2)
    step(again, its_optimizer, 2)
    # AdamW's moments and its count of steps decide the second step.
    assert all(torch.equal(value, weights(model)[name]) for name, value in weights(again).items())


def test_the_scaler_of_fp16_comes_back_and_is_in_no_other_checkpoint(tmp_path):
    model, optimizer = job()
    step(model, optimizer, 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    save_checkpoint(tmp_path, model, optimizer, Progress(1, scaler=scaler.state_dict()))
    found = load_checkpoint(tmp_path, *job())
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(found.scaler)
    assert other.state_dict() == scaler.state_dict()
    save_checkpoint(tmp_path, model, optimizer, Progress(2))
    assert "scaler" not in json.loads((newest(tmp_path) / "progress.json").read_text())


def test_the_fused_adamw_goes_on_from_the_checkpoint_of_the_plain_one(tmp_path):
    model, optimizer = job()
    step(model, optimizer, 1)
    save_checkpoint(tmp_path, model, optimizer, Progress(1))
    again, _ = job()
    fused = torch.optim.AdamW([weight for _, weight in again.trained()], lr=0.1, fused=True)
    load_checkpoint(tmp_path, again, fused)
    step(model, optimizer, 2)
    step(again, fused, 2)
    torch.testing.assert_close(weights(again), weights(model), rtol=1e-5, atol=1e-6)
    save_checkpoint(tmp_path, again, fused, Progress(2))
    load_checkpoint(tmp_path, *job())


def test_without_a_checkpoint_a_job_is_at_its_start(tmp_path):
    assert load_checkpoint(tmp_path, *job()) == Progress()
    assert newest(tmp_path) is None


def test_only_the_newest_is_kept_and_what_a_kill_left_is_passed_over(tmp_path):
    model, optimizer = job()
    step(model, optimizer, 1)
    save_checkpoint(tmp_path, model, optimizer, Progress(9))
    (tmp_path / "checkpoints/.step-000000010.tmp").mkdir()
    (tmp_path / "checkpoints/.step-000000010.tmp/model.safetensors").write_bytes(b"half")
    assert newest(tmp_path).name == "step-000000009"
    save_checkpoint(tmp_path, model, optimizer, Progress(10))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000000010"]
    assert {path.suffix for path in newest(tmp_path).iterdir()} == {".safetensors", ".json"}


def test_steps_are_ordered_as_numbers(tmp_path):
    for number in (999_999, 1_000_000, 20):
        (tmp_path / f"checkpoints/step-{number:09d}").mkdir(parents=True)
    assert newest(tmp_path).name == "step-001000000"


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def drop_moment(path):
    from safetensors.torch import load_file, save_file

    state = load_file(path)
    del state["makers.hyper.layer.exp_avg"]
    save_file(state, path)


def changed(change):
    def damage(path):
        from safetensors.torch import load_file, save_file

        state = load_file(path)
        name = next(name for name in sorted(state) if state[name].ndim == 3)
        state[name] = change(state[name])
        save_file(state, path)

    return damage


def endless(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, endless) for name in ("model.safetensors", "optimizer.safetensors", "progress.json")),
        *((name, changed(lambda value: value / 0)) for name in ("model.safetensors", "optimizer.safetensors")),
        *((name, changed(lambda value: value.int())) for name in ("model.safetensors", "optimizer.safetensors")),
        ("optimizer.safetensors", changed(lambda value: value[:1].clone())),
        ("progress.json", lambda path: path.write_text(path.read_text().replace("1", '"1"'))),
        ("progress.json", lambda path: path.write_text(path.read_text().replace("true", "3"))),
        ("progress.json", lambda path: path.write_text(path.read_text().replace("1", "9"))),
        ("model.safetensors", cut),
        ("optimizer.safetensors", cut),
        ("optimizer.safetensors", drop_moment),
        ("optimizer.safetensors", lambda path: path.unlink()),
        ("progress.json", cut),
        ("progress.json", lambda path: path.write_text(json.dumps({"stpe": 1}))),
        ("progress.json", lambda path: path.unlink()),
    ],
)
def test_damage_is_one_line_that_names_the_folder(tmp_path, name, damage):
    model, optimizer = job()
    step(model, optimizer, 1)
    save_checkpoint(tmp_path, model, optimizer, Progress(1))
    damage(newest(tmp_path) / name)
    with pytest.raises(UserError, match="step-000000001") as refusal:
        load_checkpoint(tmp_path, *job())
    assert "\n" not in str(refusal.value)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    model, optimizer = job()
    save_checkpoint(tmp_path, model, optimizer, Progress(1))
    with pytest.raises(
        UserError, match=r"step-000000001.*makers\.hyper\.sources\.task\.weight is \(1, 3, 4\).*\(2, 3, 4\)"
    ):
        load_checkpoint(tmp_path, *job(("vqa", "gqa")))


def test_each_step_and_rank_draws_its_own_numbers_whatever_went_before():
    drawn = {}
    for seed, number, rank in [(0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0), (2**31 - 1, 10**6, 4000)]:
        fresh_seed(seed, number, rank)
        drawn[seed, number, rank] = torch.rand(4)
    assert len({tuple(values.tolist()) for values in drawn.values()}) == len(drawn)
    torch.rand(7)
    fresh_seed(0, 1, 0)
    assert torch.equal(torch.rand(4), drawn[0, 1, 0])


@pytest.mark.parametrize("where", ["weight", "exp_avg_sq"])
def test_what_is_no_number_does_not_take_the_place_of_a_checkpoint(tmp_path, where):
    model, optimizer = job()
    step(model, optimizer, 1)
    require_finite_state(tmp_path, model, optimizer, Progress(7))
    name, weight = next(model.trained())
    with torch.no_grad():
        (weight if where == "weight" else optimizer.state[weight][where]).view(-1)[0] = float("inf")
    with pytest.raises(JobError, match=rf"^step 7: the update gave a NaN or an infinity in {name}; try a lower"):
        require_finite_state(tmp_path, model, optimizer, Progress(7))
