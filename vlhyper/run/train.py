"""Training: one loop, from a config to a run folder.

It runs on one process, or on several under `accelerate launch` or `torchrun`, and resumes a killed run of the same
config by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from vlhyper.console import progress, say
from vlhyper.errors import UserError
from vlhyper.features import FeatureSet
from vlhyper.launcher import end_with_launcher
from vlhyper.model.model import IGNORED, VLHyperPELT
from vlhyper.model.spec import WEIGHTS
from vlhyper.run.available import require_tracker
from vlhyper.run.batches import Collator, TrainingBatches, grid_statistics, to_device, upcoming, worker_errors
from vlhyper.run.checkpoints import (
    Progress,
    fresh_seed,
    load_checkpoint,
    require_finite_state,
    save_checkpoint,
    save_progress,
)
from vlhyper.run.config import TrainingConfig, load_config
from vlhyper.run.folder import claim, disk_errors, finished, require_room
from vlhyper.run.held_out import hold_out
from vlhyper.run.lengths import labels_too_long
from vlhyper.run.lock import locked
from vlhyper.run.log import Log
from vlhyper.run.precision import prepare
from vlhyper.run.rows import TaskRows, find_features, keyed, load_training, model_inputs, stated
from vlhyper.run.schedule import Schedule
from vlhyper.run.start import Taken, begun, check_start, start_from
from vlhyper.run.tasks import Run
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.run.validation import validate
from vlhyper.tasks import Examples

# Shapes of batches that are compiled: lengths of sources and of targets, with and without images.
SHAPES = 128


def train(run: Run, folder: Path) -> None:
    """Train until `training.steps`; the run folder keeps the weights of the best mean validation score.

    Raises UserError for input that cannot be used, before the first step, and JobError where the loss is not finite.
    """
    with worker_errors(), disk_errors(folder):
        accelerator = start_processes(run.config.training, folder, unused=run.mixed)
        with locked(folder) if accelerator.is_main_process else nullcontext():
            _train(run, folder, accelerator)


def _train(run: Run, folder: Path, accelerator: Accelerator) -> None:
    features = find_features(run)
    resumed = begun(folder)
    recorded = load_config(folder / "config.yaml") if resumed else None
    run = keyed(stated(run, features), features, run.learned(), recorded)
    config, settings = run.config, run.config.training
    if not resumed:
        check_start(run, model_inputs(run, features))
    if accelerator.is_main_process:
        claim(folder, run, features)
    accelerator.wait_for_everyone()
    if finished(folder, settings.steps):
        accelerator.end_training()
        return

    rows = load_training(run, features)
    held_out = hold_out(run, features, scoring=accelerator.is_main_process)
    examples = {name: Examples(one.task.kind, one.rows, settings.seed) for name, one in rows.items()}
    tokenizer = load_tokenizer(config.model)
    if too_long := list(labels_too_long(run, tokenizer)):
        raise UserError(too_long[0])
    collator = Collator(tokenizer, features, settings.max_target_tokens, few_lengths=settings.compile)

    model, taken = first_model(run, rows, features, started=not resumed)
    if taken is not None and accelerator.is_main_process:
        say(f"{folder}: {taken}")
    if settings.gradient_checkpointing:
        model.checkpoint_gradients()
    if accelerator.is_main_process:
        require_room(folder, sum(weight.nbytes for _, weight in model.trained()))
        say(f"{folder}: {_described(model, accelerator)}")
    prepare(model, settings.precision)
    model.to(accelerator.device)
    if settings.compile:
        compile_model(model)
    optimizer = torch.optim.AdamW(
        [weight for _, weight in model.trained()],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        # One kernel for all weights. On a CPU it would give other last digits than earlier runs have.
        fused=accelerator.device.type == "cuda" or None,
    )
    done = load_checkpoint(folder, model, optimizer)
    if done.scaler and accelerator.scaler:
        accelerator.scaler.load_state_dict(done.scaler)
    wrapped, optimizer = accelerator.prepare(model, optimizer)

    sizes = {name: len(one) for name, one in examples.items()}
    schedule = Schedule(sizes, settings.steps, settings.batch, settings.temperature, settings.seed)
    batches = TrainingBatches(
        schedule, rows, examples, collator, settings.accumulation, accelerator.process_index, accelerator.num_processes
    )
    stream = upcoming(batches, done.step, settings.workers)
    log = Log(folder, accelerator, done, config, batches.ids)

    def judge_now() -> None:
        with log.untimed():
            judge(folder, done, model, validate(run, model, held_out, collator), log)

    if not done.validated:
        judge_now()
    with progress("training", settings.steps, "steps", start=done.step) as bar:
        for step in range(done.step, settings.steps):
            name = schedule.task(step)
            micro_batches = [to_device(next(stream), accelerator.device) for _ in range(settings.accumulation)]
            # Every target token of the step weighs the same, on whatever rank and in whatever micro-batch it lies.
            tokens = sum((batch["labels"] != IGNORED).sum() for batch in micro_batches)
            mean_tokens = accelerator.reduce(tokens.float(), "mean") / settings.accumulation

            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings, step)
            fresh_seed(settings.seed, step, accelerator.process_index)
            wrapped.train()
            for batch in micro_batches:
                with accelerator.accumulate(wrapped):
                    loss = wrapped(**batch, denominator=mean_tokens)
                    accelerator.backward(loss)
                    if accelerator.sync_gradients:
                        accelerator.clip_grad_norm_(optimizer.param_groups[0]["params"], settings.clip)
                    optimizer.step()
                    optimizer.zero_grad()
                    log.add(name, step + 1, loss.detach())

            done.step = step + 1
            last = done.step == settings.steps
            due = bool(held_out) and (last or done.step % config.validation.every == 0)
            keep = last or due or done.step % settings.checkpoint_every == 0
            # Losses are written before a checkpoint, so that a resumed run has none of them half in memory.
            if keep or done.step % settings.log_every == 0:
                log.write_losses(done.step, learning_rate(settings, step))
            bar(note=log.note)
            # Kept before it is validated: should that fail, no step is lost, and a resumed run validates it.
            done.validated = not due
            done.scaler = accelerator.scaler.state_dict() if keep and accelerator.scaler else done.scaler
            if keep:
                require_finite_state(folder, model, optimizer.optimizer, done)
            if keep and accelerator.is_main_process:
                save_checkpoint(folder, model, optimizer.optimizer, done)
            if due:
                judge_now()
    accelerator.end_training()
    if accelerator.is_main_process:
        # Without a validation score the last weights are the run's.
        if done.best is None or not (folder / WEIGHTS).exists():
            model.save(folder)
        best = f", best validation mean {done.best:.2f} at step {done.best_step}" if done.best is not None else ""
        say(f"{folder}: trained{best}; score it with: vlhyper evaluate {folder}")


def first_model(
    run: Run, rows: Mapping[str, TaskRows], features: FeatureSet | None, started: bool = True
) -> tuple[VLHyperPELT, Taken | None]:
    """The model before the first step, and what it took from the run that `start` names.

    started: False where a checkpoint comes next, and the weights of `start` are of no use.
    """
    # The same seed on all ranks: each builds the same start without sending it around.
    torch.manual_seed(run.config.training.seed)
    model = VLHyperPELT.build(run.config.model, model_inputs(run, features))
    if features is not None:
        model.standardise(*grid_statistics(list(rows.values()), features))
    start = run.config.start
    taken = start_from(model, start, run.config.new_tasks == "mean") if start is not None and started else None
    return model, taken


def _described(model: VLHyperPELT, accelerator: Accelerator) -> str:
    """What trains, and on what."""
    trained = sum(weight.numel() for _, weight in model.trained())
    share = 100 * trained / sum(weight.numel() for weight in model.parameters())
    precision = {"no": "fp32"}.get(accelerator.mixed_precision, accelerator.mixed_precision)
    many = f"{accelerator.num_processes} processes" if accelerator.num_processes > 1 else "one process"
    return f"{trained:,} parameters train, {share:.2f} % of all, on {accelerator.device} in {precision}, {many}"


def compile_model(model: VLHyperPELT) -> None:
    """Let torch compile the step, once for each shape of a batch. Generation stays as it is."""
    # Beyond this number of shapes torch would run what is left uncompiled.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, SHAPES)
    model.compile(dynamic=False)


def start_processes(settings: TrainingConfig, folder: Path, unused: bool = False) -> Accelerator:
    """This process's part in the run. Raises UserError for a batch that the processes cannot share.

    unused: some steps leave weights without a gradient, as steps on text do with those of the visual side.
    """
    end_with_launcher()
    refuse_unsupported(settings)
    require_tracker(settings.tracker)
    accelerator = Accelerator(
        mixed_precision="no" if settings.precision == "fp32" else settings.precision,
        gradient_accumulation_steps=settings.accumulation,
        log_with=None if settings.tracker == "none" else settings.tracker,
        project_dir=folder,
        # Without this torchrun's processes on a machine without a GPU would not know of each other.
        cpu=not torch.accelerator.is_available(),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=unused)],
    )
    if settings.precision == "fp16" and accelerator.device.type == "cpu":
        raise UserError("training.precision fp16 needs a GPU, and none is found; choose bf16 or fp32")
    if settings.batch % (settings.accumulation * accelerator.num_processes):
        raise UserError(
            f"training.batch {settings.batch} cannot be divided among {accelerator.num_processes} processes × "
            f"{settings.accumulation} micro-batches; choose a multiple"
        )
    return accelerator


def refuse_unsupported(settings: TrainingConfig) -> None:
    """Raises UserError for what a launcher asks for and this loop would do wrongly or not at all."""
    for name, what in {"FSDP": "FSDP", "DEEPSPEED": "DeepSpeed", "MEGATRON_LM": "Megatron-LM"}.items():
        if os.environ.get(f"ACCELERATE_USE_{name}", "false").lower() in ("true", "1"):
            raise UserError(f"{what} is not supported: the trained part is small; launch with plain data parallelism")
    asked = os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS")
    if asked is not None and asked != str(settings.accumulation):
        raise UserError(
            f"the launcher asks for {asked} gradient accumulation steps, training.accumulation is "
            f"{settings.accumulation}; give both the same, or leave it to the config"
        )


def learning_rate(settings: TrainingConfig, step: int) -> float:
    """The rate of step `step` (from 0): constant, after a warm-up and before a linear fall to 0 where asked for."""
    rise = (step + 1) / settings.warmup if settings.warmup else 1.0
    fall = (settings.steps - step) / settings.decay if settings.decay else 1.0
    return settings.learning_rate * min(1.0, rise, fall)


def judge(folder: Path, done: Progress, model: VLHyperPELT, metrics: dict[str, float], log: Log) -> None:
    """Write a validation down, keep the weights if they are the best so far, note in the checkpoint that it was done.

    Killed in between, a resumed run does all of it again, with the same outcome.
    """
    done.validated = True
    if not log.accelerator.is_main_process:
        return
    if "mean" in metrics and (done.best is None or metrics["mean"] >= done.best):
        done.best, done.best_step = metrics["mean"], done.step
        model.save(folder)
    log.write(done.step, {"validation": metrics})
    say(f"step {done.step}: " + " · ".join(f"{name} {value:.2f}" for name, value in metrics.items()))
    save_progress(folder, done)
