"""Training: one loop, from a config to a run folder.

It runs on one process, or on several under `accelerate launch` or `torchrun`, and resumes a killed run of the same
config by itself.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from vlhyper.console import progress, say
from vlhyper.errors import JobError, UserError
from vlhyper.files import write_text
from vlhyper.model.model import WEIGHTS, VLHyperPELT
from vlhyper.run.batches import Collator, TrainingBatches, grid_statistics, to_device, upcoming
from vlhyper.run.checkpoints import (
    Progress,
    fresh_seed,
    load_checkpoint,
    load_progress,
    newest,
    save_checkpoint,
    save_progress,
)
from vlhyper.run.config import RunConfig, TrainingConfig, differences, load_config, save_config
from vlhyper.run.rows import find_features, load_split, model_inputs, stated
from vlhyper.run.schedule import Schedule
from vlhyper.run.tasks import resolve
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.run.validation import hold_out, validate
from vlhyper.tasks import Examples


def train(config: RunConfig, folder: Path) -> None:
    """Train until `training.steps`; the run folder keeps the weights of the best mean validation score.

    Raises UserError for input that cannot be used, before the first step, and JobError where the loss is not finite.
    """
    settings = config.training
    run = resolve(config)
    accelerator = start_processes(settings, folder, unused=run.mixed)
    features = find_features(run)
    run = stated(run, features)
    if accelerator.is_main_process:
        claim(folder, run.config)
    accelerator.wait_for_everyone()
    if finished(folder, settings.steps):
        accelerator.end_training()
        return

    rows = load_split(run, {name: entry.train for name, entry in config.tasks.items()}, features)
    held_out = hold_out(run, features, scoring=accelerator.is_main_process)
    examples = {name: Examples(one.task.kind, one.rows, settings.seed) for name, one in rows.items()}
    tokenizer = load_tokenizer(config.model)
    collator = Collator(tokenizer, features, settings.max_source_tokens, settings.max_target_tokens)

    # The same seed on all ranks: each builds the same start without sending it around.
    torch.manual_seed(settings.seed)
    model = VLHyperPELT.build(config.model, model_inputs(run, features))
    if features is not None:
        model.standardise(*grid_statistics(list(rows.values()), features))
    if settings.gradient_checkpointing:
        model.checkpoint_gradients()
    model.to(accelerator.device)
    optimizer = torch.optim.AdamW(
        [weight for _, weight in model.trained()], lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    done = load_checkpoint(folder, model, optimizer)
    wrapped, optimizer = accelerator.prepare(model, optimizer)

    sizes = {name: len(one) for name, one in examples.items()}
    schedule = Schedule(sizes, settings.steps, settings.batch, settings.temperature, settings.seed)
    batches = TrainingBatches(
        schedule, rows, examples, collator, settings.accumulation, accelerator.process_index, accelerator.num_processes
    )
    stream = iter(upcoming(batches, done.step, settings.workers))
    log = Log(folder, accelerator, done)

    if not done.validated:
        judge(folder, done, model, validate(run, model, held_out, collator), log)
    with progress("training", settings.steps, "steps", start=done.step) as bar:
        for step in range(done.step, settings.steps):
            name = schedule.task(step)
            micro_batches = [to_device(next(stream), accelerator.device) for _ in range(settings.accumulation)]
            # Every target token of the step weighs the same, on whatever rank and in whatever micro-batch it lies.
            tokens = sum((batch["labels"] != -100).sum() for batch in micro_batches)
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
                    log.add(name, loss.detach())

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
            if keep and accelerator.is_main_process:
                save_checkpoint(folder, model, optimizer.optimizer, done)
            if due:
                judge(folder, done, model, validate(run, model, held_out, collator), log)
    accelerator.end_training()
    if accelerator.is_main_process:
        # Without a validation score the last weights are the run's.
        if done.best is None or not (folder / WEIGHTS).exists():
            model.save_pretrained(folder)
        best = f", best validation mean {done.best:.2f} at step {done.best_step}" if done.best is not None else ""
        say(f"{folder}: trained{best}; score it with: vlhyper evaluate {folder}")


def start_processes(settings: TrainingConfig, folder: Path, unused: bool = False) -> Accelerator:
    """This process's part in the run. Raises UserError for a batch that the processes cannot share.

    unused: some steps leave weights without a gradient, as steps on text do with those of the visual side.
    """
    accelerator = Accelerator(
        mixed_precision="no" if settings.precision == "fp32" else settings.precision,
        gradient_accumulation_steps=settings.accumulation,
        log_with="tensorboard",
        project_dir=folder,
        # Without this torchrun's processes on a machine without a GPU would not know of each other.
        cpu=not torch.accelerator.is_available(),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=unused)],
    )
    if settings.batch % (settings.accumulation * accelerator.num_processes):
        raise UserError(
            f"training.batch {settings.batch} cannot be divided among {accelerator.num_processes} processes × "
            f"{settings.accumulation} micro-batches; choose a multiple"
        )
    return accelerator


def learning_rate(settings: TrainingConfig, step: int) -> float:
    """The rate of step `step` (from 0): constant, after a warm-up and before a linear fall to 0 where asked for."""
    rise = (step + 1) / settings.warmup if settings.warmup else 1.0
    fall = (settings.steps - step) / settings.decay if settings.decay else 1.0
    return settings.learning_rate * min(1.0, rise, fall)


def claim(folder: Path, config: RunConfig) -> None:
    """Make the run folder, or see that it holds an unfinished run of the same config.

    Raises UserError for a folder that holds another run.
    """
    path = folder / "config.yaml"
    # A folder in which no step was finished holds nothing to protect: a mended config takes its place.
    if path.exists() and (newest(folder) or (folder / WEIGHTS).exists()):
        if changed := differences(load_config(path), config):
            more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            raise UserError(f"{folder}: holds a run of another config: {changed[0]}{more}; choose another --out")
        if finished(folder, config.training.steps):
            say(f"{folder}: is finished and was not changed; score it with: vlhyper evaluate {folder}")
        elif last := newest(folder):
            say(f"{folder}: resuming from {last.name}")
        return
    save_config(config, path)


def finished(folder: Path, steps: int) -> bool:
    """Whether all steps of the run are done and its weights are there."""
    last = newest(folder)
    if last is None or not (folder / WEIGHTS).exists():
        return False
    done = load_progress(last)
    return done.step == steps and done.validated


def judge(folder: Path, done: Progress, model: VLHyperPELT, metrics: dict[str, float], log: Log) -> None:
    """Write a validation down, keep the weights if they are the best so far, note in the checkpoint that it was done.

    Killed in between, a resumed run does all of it again, with the same outcome.
    """
    done.validated = True
    if not log.accelerator.is_main_process:
        return
    if "mean" in metrics and (done.best is None or metrics["mean"] > done.best):
        done.best, done.best_step = metrics["mean"], done.step
        model.save_pretrained(folder)
    log.write(done.step, {"validation": metrics})
    say(f"step {done.step}: " + " · ".join(f"{name} {value:.2f}" for name, value in metrics.items()))
    save_progress(folder, done)


class Log:
    """`log.jsonl` and TensorBoard: the mean loss of each task since the last line, and validation metrics."""

    def __init__(self, folder: Path, accelerator: Accelerator, done: Progress) -> None:
        self.path, self.accelerator = folder / "log.jsonl", accelerator
        self.losses: dict[str, list[torch.Tensor]] = {}
        self.note = ""
        self.began, self.first_step = time.monotonic(), done.step
        # TensorBoard hides what a killed run gave it from this step on.
        first_new = done.step + done.validated
        accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": {"purge_step": first_new}})
        if accelerator.is_main_process and self.path.exists():
            kept = [line for line in self._whole_lines() if known(line, done)]
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))
            for line in kept:
                if line["step"] >= first_new:
                    self._track(line)

    def _whole_lines(self) -> list[dict[str, Any]]:
        """What is in the log, but for a line that a kill cut short."""
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def add(self, task: str, loss: torch.Tensor) -> None:
        self.losses.setdefault(task, []).append(loss)

    def write_losses(self, step: int, rate: float) -> None:
        """Write the mean losses and forget them. Raises JobError where one is not finite."""
        means = {}
        for task, losses in sorted(self.losses.items()):
            mean = self.accelerator.reduce(torch.stack(losses).mean(), "mean").item()
            if not math.isfinite(mean):
                raise JobError(f"step {step}: the loss of {task} is {mean}; lower training.learning_rate")
            means[task] = mean
        self.losses.clear()
        self.note = " ".join(f"{task} {loss:.3f}" for task, loss in means.items())
        pace = (time.monotonic() - self.began) / max(1, step - self.first_step)
        self.write(step, {"loss": means, "learning_rate": rate, "seconds_per_step": round(pace, 4)})

    def write(self, step: int, values: dict[str, object]) -> None:
        if not self.accelerator.is_main_process:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        self._track({"step": step, **values})

    def _track(self, line: dict[str, Any]) -> None:
        for group, value in line.items():
            if group != "step":
                scalars = value if isinstance(value, dict) else {"": value}
                named = {f"{group}/{key}".rstrip("/"): one for key, one in scalars.items()}
                self.accelerator.log(named, step=line["step"])


def known(line: dict[str, Any], done: Progress) -> bool:
    """Whether a line of the log belongs to what the last checkpoint knows of; all else will be written again."""
    return line["step"] < done.step or (line["step"] == done.step and (done.validated or "validation" not in line))
