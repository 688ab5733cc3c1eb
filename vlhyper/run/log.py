"""What a run writes down while it trains: `log.jsonl` and TensorBoard."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from vlhyper.errors import JobError, UserError
from vlhyper.files import parse_json, write_text
from vlhyper.readers.streams import text_lines
from vlhyper.run.checkpoints import Progress


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
        whole = [(number, line) for number, line in text_lines(self.path) if line.strip()]
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END) if whole else None
            cut = bool(whole) and file.read(1) != b"\n"
        return [self._line(number, line) for number, line in whole[: len(whole) - cut]]

    def _line(self, number: int, line: str) -> dict[str, Any]:
        try:
            value = parse_json(line)
            if isinstance(value, dict) and type(value.get("step")) is int:
                return value
        except (ValueError, RecursionError):
            pass
        raise UserError(f"{self.path}: line {number} is no line of a log; remove this line and start the command again")

    @contextmanager
    def untimed(self) -> Iterator[None]:
        """What is done within it does not count in the seconds of a step."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.began += time.monotonic() - began

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
