"""What a run writes down while it trains: `log.jsonl`, and what its tracker is shown."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import Accelerator

from vlhyper.errors import JobError
from vlhyper.files import write_text
from vlhyper.run.checkpoints import Progress
from vlhyper.run.config import RunConfig
from vlhyper.run.logged import LOG, read_log
from vlhyper.run.tracker import Tracker
from vlhyper.wording import some


class Log:
    """`log.jsonl` and a tracker: the mean loss of each task since the last line, and validation metrics.

    ids: the ids of the rows of a step, counted from 0, for errors.
    """

    def __init__(
        self,
        folder: Path,
        accelerator: Accelerator,
        done: Progress,
        config: RunConfig,
        ids: Callable[[int], Sequence[str]],
    ) -> None:
        self.path, self.accelerator, self.ids = folder / LOG, accelerator, ids
        # Of each task the steps, counted from 1, and their losses.
        self.losses: dict[str, list[tuple[int, torch.Tensor]]] = {}
        self.note = ""
        self.began, self.first_step = time.monotonic(), done.step
        before = read_log(self.path) if accelerator.is_main_process and self.path.exists() else []
        kept = [line for line in before if known(line, done)]
        self.tracker = Tracker(accelerator, folder, config, done, before, kept)
        if before:
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    @contextmanager
    def untimed(self) -> Iterator[None]:
        """What is done within it does not count in the seconds of a step."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.began += time.monotonic() - began

    def add(self, task: str, step: int, loss: torch.Tensor) -> None:
        """Note the loss () of a step, to be averaged in the next line."""
        self.losses.setdefault(task, []).append((step, loss))

    def write_losses(self, step: int, rate: float) -> None:
        """Write the mean losses and forget them. Raises JobError where one is not finite."""
        means = {}
        for task, losses in sorted(self.losses.items()):
            mean = self._mean(torch.stack([loss for _, loss in losses]))
            if mean is not None and not math.isfinite(mean):
                raise JobError(self._fault(task, losses, mean))
            if mean is not None:
                means[task] = mean
        self.losses.clear()
        self.note = " ".join(f"{task} {loss:.3f}" for task, loss in means.items())
        pace = (time.monotonic() - self.began) / max(1, step - self.first_step)
        cost = {"seconds_per_step": round(pace, 4), "memory_mb": memory_mb(self.accelerator.device)}
        self.write(step, {"loss": means, "learning_rate": rate, **cost})

    def _mean(self, losses: torch.Tensor) -> float | None:
        """Over all processes. Of fp16 without the steps that the scaler skipped; None where it skipped all of them."""
        if self.accelerator.scaler is None:
            return float(self.accelerator.reduce(losses.mean(), "mean"))
        finite = losses.isfinite()
        both = torch.stack([losses.where(finite, 0).sum().float(), finite.sum().float()])
        total, count = self.accelerator.reduce(both, "sum").tolist()
        # It begins at 65536 and halves at each skip: below 1 the fault is not the scale's.
        return total / count if count else None if self.accelerator.scaler.get_scale() >= 1 else math.nan

    def _fault(self, task: str, losses: list[tuple[int, torch.Tensor]], mean: float) -> str:
        step = next((step for step, loss in losses if not loss.isfinite()), losses[-1][0])
        ids = some(self.ids(step - 1))
        other = "bf16 or fp32 as training.precision" if self.accelerator.scaler else "a lower training.learning_rate"
        return (
            f"step {step}: the loss of {task} is {mean} (ids {ids}); try {other} in another --out; "
            f"what {self.path.parent} had saved before is kept"
        )

    def write(self, step: int, values: dict[str, object]) -> None:
        """Add a line, and show it to the tracker; the main process alone does."""
        if not self.accelerator.is_main_process:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        self.tracker.send({"step": step, **values})


def memory_mb(device: torch.device) -> float:
    """The most memory that was allocated on a GPU so far; on a CPU what this process holds now."""
    held = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss
    return round(held / 1e6, 1)


def known(line: dict[str, Any], done: Progress) -> bool:
    """Whether a line of the log belongs to what the last checkpoint knows of; all else will be written again."""
    return line["step"] < done.step or (line["step"] == done.step and (done.validated or "validation" not in line))
