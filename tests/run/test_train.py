"""Training: what a run logs and leaves, whole and killed, in one piece and in several."""

import json
import random
import time

import pytest
import torch
from accelerate import Accelerator
from run_cases import forget_accelerate, log_lines, losses, start
from safetensors.torch import load_file
from tensorboard.summary.writer import event_file_writer
from torch.testing import assert_close

import vlhyper.run.train
from vlhyper.errors import JobError, UserError
from vlhyper.model.model import CONFIG, WEIGHTS, VLHyperPELT
from vlhyper.model.spec import count
from vlhyper.run.checkpoints import Progress, load_progress, newest, save_checkpoint
from vlhyper.run.config import load_config, stated_inputs
from vlhyper.run.log import Log
from vlhyper.run.train import learning_rate, train
from vlhyper.world import tiny

pytestmark = pytest.mark.usefixtures("fresh_process")


def trained(lab, run, *overrides: str) -> dict[int, dict[str, float]]:
    """The losses of a run by step."""
    train(lab.run(*overrides), run)
    return losses(run)


def test_the_loss_falls(lab, tmp_path):
    seen = trained(lab, tmp_path, f"model.backbone={tiny() / 't5'}", "training.steps=40", "training.learning_rate=3e-3")
    values = [value for line in seen.values() for value in line.values()]
    assert len(values) == 40
    assert sum(values[-10:]) < 0.6 * sum(values[:10])


def test_a_run_folder_holds_what_the_contract_names_and_only_trained_weights(lab, tmp_path):
    trained(lab, tmp_path, "training.steps=2")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.yaml", WEIGHTS, CONFIG, "log.jsonl", "checkpoints"} <= names
    assert list(tmp_path.rglob("events.out.tfevents.*"))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000000002"]
    config = load_config(tmp_path / "config.yaml")
    counted = count(config.model, stated_inputs(config)).trained
    saved = load_file(tmp_path / WEIGHTS)
    statistics = sum(value.numel() for name, value in saved.items() if name.endswith((".mean", ".deviation")))
    assert sum(value.numel() for value in saved.values()) - statistics == counted
    assert config.features.weights_sha256 == "ab" * 32


def test_every_line_of_the_log_says_loss_rate_pace_and_memory(lab, tmp_path):
    trained(lab, tmp_path, "training.steps=4", "training.log_every=2", "training.warmup=4")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert [line["learning_rate"] for line in lines] == [5e-4, 1e-3]
    assert all(
        line["seconds_per_step"] > 0
        and line["memory_mb"] > 1
        and line["loss"].keys() <= {"vqa", "vg_qa", "gqa", "caption"}
        for line in lines
    )


def test_a_line_of_the_log_is_the_mean_of_its_steps(lab, tmp_path):
    each = trained(lab, tmp_path / "each", "training.steps=6")
    both = trained(lab, tmp_path / "both", "training.steps=6", "training.log_every=3")
    for last, line in both.items():
        seen = [each[step] for step in range(last - 2, last + 1)]
        for task, mean in line.items():
            values = [values[task] for values in seen if task in values]
            assert mean == pytest.approx(sum(values) / len(values), rel=1e-6)


@pytest.mark.parametrize(
    ("warmup", "decay", "rates"),
    [
        (0, 0, [1, 1, 1, 1, 1, 1]),
        (3, 0, [1 / 3, 2 / 3, 1, 1, 1, 1]),
        (0, 3, [1, 1, 1, 1, 2 / 3, 1 / 3]),
        (2, 2, [1 / 2, 1, 1, 1, 1, 1 / 2]),
    ],
)
def test_the_rate_is_constant_but_for_what_is_asked(lab, warmup, decay, rates):
    overrides = [f"training.warmup={warmup}", f"training.decay={decay}", "training.learning_rate=1"]
    settings = lab.config(*overrides).training
    assert [learning_rate(settings, step) for step in range(6)] == pytest.approx(rates)


LONG = ("training.steps=60", "training.checkpoint_every=7", "training.log_every=2")


def test_a_killed_run_goes_on_as_if_it_had_never_stopped(lab, tmp_path):
    # Dropout is on: the draws of a step must not depend on the steps that went before in the same process.
    config = (f"model.backbone={lab.folder / 't5_dropout'}", *LONG)
    program = start("train", lab.path, *config, "--out", tmp_path / "killed")
    wanted, log = random.randrange(9, 50), tmp_path / "killed/log.jsonl"
    while program.poll() is None and not (log.exists() and f'"step": {wanted}' in log.read_text()):
        wanted -= wanted % 2
        time.sleep(0.002)
    program.kill()
    program.communicate()
    assert not (tmp_path / "killed" / WEIGHTS).exists()
    before = losses(tmp_path / "killed")
    checkpoint = next((tmp_path / "killed/checkpoints").glob("step-*")).name
    # What a kill in the middle of a line leaves.
    with log.open("a") as file:
        file.write('{"step": 5')
    resumed = trained(lab, tmp_path / "killed", *config)
    whole = trained(lab, tmp_path / "whole", *config)
    assert resumed == whole
    assert list(whole) == sorted({*range(2, 61, 2), *range(7, 61, 7)})
    # The killed run had really begun and really not ended, and it was not begun anew.
    assert before.items() <= whole.items() and 7 <= int(checkpoint.split("-")[1]) < 60
    for name in (WEIGHTS, "checkpoints/step-000000060/optimizer.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_is_left_as_it_is_and_says_what_comes_next(lab, tmp_path, capsys):
    first = trained(lab, tmp_path, "training.steps=2")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert trained(lab, tmp_path, "training.steps=2") == first
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}: is already finished; score it with: vlhyper evaluate {tmp_path}"
    ]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_finished_run_without_its_weights_gets_them_again(lab, tmp_path):
    trained(lab, tmp_path, "training.steps=2")
    weights = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).unlink()
    trained(lab, tmp_path, "training.steps=2")
    assert (tmp_path / WEIGHTS).read_bytes() == weights


def test_a_run_of_another_config_is_refused_with_the_first_difference(lab, tmp_path):
    trained(lab, tmp_path, "training.steps=1")
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(UserError) as refusal:
        train(lab.run("training.steps=1", "training.seed=3", "training.batch=16"), tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path}: holds a run of another config: training.batch: 8, now 16 (and 1 more); choose another --out"
    )
    assert (tmp_path / "config.yaml").read_bytes() == before


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "progress.json"])
def test_a_damaged_checkpoint_is_named(lab, tmp_path, name):
    trained(lab, tmp_path, "training.steps=1")
    # Without its weights it is not finished.
    (tmp_path / WEIGHTS).unlink()
    path = tmp_path / "checkpoints/step-000000001" / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="step-000000001") as refusal:
        train(lab.run("training.steps=1"), tmp_path)
    assert "\n" not in str(refusal.value)


def test_micro_batches_are_together_the_batch(lab, tmp_path):
    whole = trained(lab, tmp_path / "one")
    parts = trained(lab, tmp_path / "two", "training.accumulation=2")
    # The sums are the same but for their order.
    assert parts == {step: pytest.approx(line, rel=1e-5) for step, line in whole.items()}
    assert_close(load_file(tmp_path / "one" / WEIGHTS), load_file(tmp_path / "two" / WEIGHTS), rtol=1e-3, atol=1e-4)


def test_workers_prepare_the_batches_that_would_be_made_without_them(lab, tmp_path):
    assert trained(lab, tmp_path / "two", "training.workers=2") == trained(lab, tmp_path / "none")


def test_gradient_checkpointing_changes_no_loss(lab, tmp_path):
    assert trained(lab, tmp_path / "lean", "training.gradient_checkpointing=true") == {
        step: pytest.approx(line, rel=1e-6) for step, line in trained(lab, tmp_path / "fat").items()
    }


def test_bf16_is_near_fp32_and_weights_stay_fp32(lab, tmp_path):
    whole = trained(lab, tmp_path / "whole", "training.steps=3")
    # accelerate takes one precision a process.
    forget_accelerate()
    short = trained(lab, tmp_path / "short", "training.steps=3", "training.precision=bf16")
    assert short != whole
    # bf16 carries three digits.
    assert short == {step: pytest.approx(line, rel=0.02) for step, line in whole.items()}
    assert {value.dtype for value in load_file(tmp_path / "short" / WEIGHTS).values()} == {torch.float32}


def test_a_compiled_run_sees_few_shapes_and_has_the_losses_of_another(lab, tmp_path, monkeypatch):
    """torch's own compilation is left out: it takes a quarter of a minute for each shape."""
    asked, shapes = {}, set()
    monkeypatch.setattr(VLHyperPELT, "compile", lambda _, **options: asked.update(options))
    whole = trained(lab, tmp_path / "whole")
    forward = VLHyperPELT.forward

    def watched(model, **batch):
        shapes.add((batch["input_ids"].shape[1] % 16, batch["labels"].shape[1] % 8))
        return forward(model, **batch)

    monkeypatch.setattr(VLHyperPELT, "forward", watched)
    assert trained(lab, tmp_path / "compiled", "training.compile=true") == {
        step: pytest.approx(line, rel=1e-5) for step, line in whole.items()
    }
    assert shapes == {(0, 0)} and asked == {"dynamic": False}


def test_validation_computes_in_the_precision_of_the_run_and_does_not_count_in_the_pace(lab, tmp_path, monkeypatch):
    types, late, clock = set(), [0.0], time.monotonic
    generate = VLHyperPELT.generate

    def slow(model, **options):
        late[0] += 1000
        watch = (
            model.t5.encoder.block[0]
            .layer[0]
            .SelfAttention.q.register_forward_hook(lambda _, __, output: types.add(output.dtype))
        )
        try:
            return generate(model, **options)
        finally:
            watch.remove()

    monkeypatch.setattr(VLHyperPELT, "generate", slow)
    monkeypatch.setattr("vlhyper.run.log.time.monotonic", lambda: clock() + late[0])
    settings = ("training.steps=2", "validation.every=1", "validation.sample=2", "training.precision=bf16")
    trained(lab, tmp_path, *settings)
    assert types == {torch.bfloat16} and late[0] >= 2000
    assert all(pace < 100 for pace in log_lines(tmp_path, "seconds_per_step").values())


def stopped_at(patch, last: int) -> None:
    """The next training is interrupted before the losses of this step are written."""
    write = Log.write_losses

    def stop(log, step, rate):
        if step == last:
            raise KeyboardInterrupt
        write(log, step, rate)

    patch.setattr(Log, "write_losses", stop)


def scaled(monkeypatch) -> None:
    """Runs of fp16 on the CPU, which accelerate does not offer; a scale so large that steps are skipped at first."""
    started = vlhyper.run.train.start_processes

    def start(settings, *rest, **options):
        forget_accelerate()
        accelerator = started(settings.model_copy(update={"precision": "fp32"}), *rest, **options)
        accelerator.state._mixed_precision, accelerator.native_amp = "fp16", True
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**30, growth_interval=2)
        return accelerator

    monkeypatch.setattr(vlhyper.run.train, "start_processes", start)


def test_a_killed_run_of_fp16_goes_on_with_the_scale_it_had(lab, tmp_path, monkeypatch):
    scaled(monkeypatch)
    overrides = ("training.precision=fp16", "training.steps=10", "training.checkpoint_every=5")
    whole = trained(lab, tmp_path / "whole", *overrides)
    with monkeypatch.context() as patch:
        stopped_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            trained(lab, tmp_path / "killed", *overrides)
    assert load_progress(newest(tmp_path / "killed")).scaler["scale"] < 2.0**30
    assert trained(lab, tmp_path / "killed", *overrides) == whole
    assert load_progress(newest(tmp_path / "killed")) == load_progress(newest(tmp_path / "whole"))
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (newest(tmp_path / "killed") / name).read_bytes() == (newest(tmp_path / "whole") / name).read_bytes()


def test_fp16_without_a_gpu_is_refused(lab, tmp_path):
    with pytest.raises(UserError, match=r"^training.precision fp16 needs a GPU, and none is found; choose bf16 or"):
        train(lab.run("training.precision=fp16"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_lost_loss_ends_the_job(lab, tmp_path, monkeypatch):
    # Every step is a checkpoint: those before the fault are kept, and none is made of what is no number.
    overrides = ("training.learning_rate=1e30", "training.checkpoint_every=1")
    with pytest.raises(JobError, match=rf"^step \d: the (update|loss) .*try a lower .*what {tmp_path} had saved"):
        train(lab.run(*overrides), tmp_path)
    assert not (tmp_path / WEIGHTS).exists()
    forward = VLHyperPELT.forward

    def lost(model, *args, **batch):
        return forward(model, *args, **batch) * float("nan")

    monkeypatch.setattr(VLHyperPELT, "forward", lost)
    with pytest.raises(JobError, match=r"^step 1: the loss of \w+ is nan \(ids \S+, .*\); try a lower"):
        train(lab.run(), tmp_path / "lost")
    assert not (tmp_path / "lost" / WEIGHTS).exists()


@pytest.mark.parametrize(
    ("scale", "losses", "mean"), [(2.0, [1, "nan", 2], 1.5), (2.0, ["inf"], None), (0.5, ["nan"], "nan")]
)
def test_a_step_that_the_scaler_of_fp16_skips_is_no_lost_loss(lab, tmp_path, scale, losses, mean):
    accelerator = Accelerator(cpu=True, log_with="tensorboard", project_dir=tmp_path)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    accelerator.scaler.scale(torch.ones(()))
    log = Log(tmp_path, accelerator, Progress(), lab.config(), lambda step: [f"q{step}"])
    for step, loss in enumerate(losses, start=1):
        log.add("vqa", step, torch.tensor(float(loss)))
    if mean == "nan":
        with pytest.raises(JobError, match=r"^step 1: the loss of vqa is nan \(ids q0\); try bf16 or fp32"):
            log.write_losses(3, 0.1)
    else:
        log.write_losses(3, 0.1)
        written = json.loads((tmp_path / "log.jsonl").read_text())
        assert written["loss"] == ({} if mean is None else {"vqa": mean})
    accelerator.end_training()


def scored(means):
    """Stands for `validate`: these means one after the other."""
    left = iter(means)
    return lambda *_: {"mean": next(left)}


def test_the_weights_of_the_best_validation_are_kept(lab, tmp_path, monkeypatch):
    kept = {}
    save = VLHyperPELT.save

    def note(model, folder):
        kept[len(kept)] = {name: value.clone() for name, value in model.state().items()}
        save(model, folder)

    monkeypatch.setattr(VLHyperPELT, "save", note)
    monkeypatch.setattr("vlhyper.run.train.validate", scored([1.0, 3.0, 2.0]))
    trained(lab, tmp_path, "validation.every=2")
    assert log_lines(tmp_path, "validation") == {2: {"mean": 1.0}, 4: {"mean": 3.0}, 6: {"mean": 2.0}}
    assert len(kept) == 2
    assert_close(load_file(tmp_path / WEIGHTS), kept[1], rtol=0, atol=0)
    last = load_file(tmp_path / "checkpoints/step-000000006/model.safetensors")
    assert any(not torch.equal(value, kept[1][name]) for name, value in last.items())
    progress = json.loads((tmp_path / "checkpoints/step-000000006/progress.json").read_text())
    assert progress == {"step": 6, "best": 3.0, "best_step": 4, "validated": True}


def test_a_resumed_run_remembers_its_best(lab, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    overrides = ("validation.every=2", "training.checkpoint_every=2")
    figures = scored([5.0])
    monkeypatch.setattr("vlhyper.run.train.validate", lambda *_: next(calls)())
    calls = iter([figures, stop])
    with pytest.raises(KeyboardInterrupt):
        train(lab.run(*overrides), tmp_path)
    best = (tmp_path / WEIGHTS).read_bytes()
    calls = iter([scored([4.0]), scored([3.0])])
    trained(lab, tmp_path, *overrides)
    assert (tmp_path / WEIGHTS).read_bytes() == best
    assert list(log_lines(tmp_path, "validation")) == [2, 4, 6]


@pytest.fixture(autouse=True, scope="module")
def event_files_in_order():
    """TensorBoard reads files in the order of their names, which end in a number: within a second 10 is before 9.

    One process that writes so many files is the tests' alone.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(1000))
        yield


COSTS = ("seconds_per_step", "memory_mb")
VALIDATED = ("validation.every=2", "validation.sample=5")


def scalars(run) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows: (step, value) by curve."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    names = [name for name in events.Tags()["scalars"] if name not in COSTS]
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in names}


def logged(run) -> list[dict]:
    """The lines of the log but for what each step took."""
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key not in COSTS} for line in lines]


# With rising means each validation keeps its weights.
MEANS = {2: 1.0, 4: 2.0, 6: 3.0}
# What captions score is not looked at, and their scorer is a program to start.
UNSCORED = (*VALIDATED, "tasks.caption.validation=null")


def followed(patch) -> list[int]:
    """The steps as they are logged; validations have `MEANS`."""
    steps = [0]
    write = Log.write
    patch.setattr(Log, "write", lambda self, step, values: (steps.append(step), write(self, step, values))[1])
    patch.setattr("vlhyper.run.train.validate", lambda *_: {"mean": MEANS[steps[-1]]})
    return steps


@pytest.fixture(scope="module")
def whole(lab, tmp_path_factory):
    """A run that nothing stops."""
    forget_accelerate()
    run = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        followed(patch)
        trained(lab, run, *UNSCORED)
    forget_accelerate()
    return run


@pytest.mark.parametrize("at", [4, 6])
@pytest.mark.parametrize("broken", ["validate", "VLHyperPELT.save", "Log.write", "save_progress"])
def test_a_run_that_broke_in_its_validation_goes_on_with_it(lab, whole, tmp_path, monkeypatch, broken, at):
    """In the middle of a run and at its end, before, between and after what a validation writes."""
    stopped, steps = tmp_path / "stopped", followed(monkeypatch)

    def stop(real):
        def stopping(*arguments):
            if steps[-1] == at and (broken != "Log.write" or "validation" in arguments[2]):
                raise KeyboardInterrupt
            return real(*arguments)

        return stopping

    with monkeypatch.context() as patch:
        owner, name = {
            "validate": (vlhyper.run.train, "validate"),
            "save_progress": (vlhyper.run.train, "save_progress"),
            "Log.write": (Log, "write"),
            "VLHyperPELT.save": (VLHyperPELT, "save"),
        }[broken]
        patch.setattr(owner, name, stop(getattr(owner, name)))
        with pytest.raises(KeyboardInterrupt):
            trained(lab, stopped, *UNSCORED)
    assert newest(stopped).name == f"step-{at:09d}" and not load_progress(newest(stopped)).validated
    steps.append(at)
    trained(lab, stopped, *UNSCORED)
    assert logged(stopped) == logged(whole)
    assert [line["step"] for line in logged(stopped) if "validation" in line] == [2, 4, 6]
    assert scalars(stopped) == scalars(whole)
    assert (stopped / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert load_progress(newest(stopped)) == load_progress(newest(whole))


def test_a_killed_run_shows_no_step_twice(lab, tmp_path, monkeypatch):
    """Steps after the last checkpoint stand in TensorBoard's files already when they are done again."""
    overrides = ("training.checkpoint_every=2",)
    trained(lab, tmp_path / "whole", *overrides)
    with monkeypatch.context() as patch:
        stopped_at(patch, 6)
        patch.setattr(
            "vlhyper.run.train.save_checkpoint", lambda run, *rest: rest[-1].step == 2 and save_checkpoint(run, *rest)
        )
        with pytest.raises(KeyboardInterrupt):
            trained(lab, tmp_path / "killed", *overrides)
    assert newest(tmp_path / "killed").name == "step-000000002"
    trained(lab, tmp_path / "killed", *overrides)
    assert scalars(tmp_path / "killed") == scalars(tmp_path / "whole")
    assert logged(tmp_path / "killed") == logged(tmp_path / "whole")


def test_a_run_whose_validation_has_no_score_still_leaves_weights(lab, tmp_path, monkeypatch):
    monkeypatch.setattr("vlhyper.run.train.validate", lambda *_: {})
    trained(lab, tmp_path, "validation.every=2", "training.steps=2")
    assert (tmp_path / WEIGHTS).exists()


def test_validation_scores_a_fixed_sample_of_every_task(lab, tmp_path):
    overrides = ("training.steps=2", "validation.every=1", "validation.sample=5")
    trained(lab, tmp_path, *overrides)
    seen = log_lines(tmp_path, "validation")
    assert list(seen) == [1, 2]
    for figures in seen.values():
        assert figures.keys() == {"vqa.overall", "gqa.accuracy", "caption.CIDEr", "mean"}
        own = [value for name, value in figures.items() if name != "mean"]
        assert figures["mean"] == pytest.approx(sum(own) / 3)
