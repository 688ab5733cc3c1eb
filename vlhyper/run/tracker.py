"""Where the curves of a run go besides `log.jsonl`: TensorBoard, trackio or Weights & Biases, through accelerate."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from vlhyper.errors import JobError
from vlhyper.files import read_object, write_json
from vlhyper.run.checkpoints import Progress
from vlhyper.run.config import RunConfig

# Of a run folder: by tracker, the id under which the tracker knows the run.
FILE = "tracker.json"
Line = dict[str, Any]


class Tracker:
    """The tracker that a config names, shown every line of the log once, also when a killed run is resumed.

    Only the main process sends anything. `before` are the lines of the log at the start, `kept` those among them that
    will not be written again.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        folder: Path,
        config: RunConfig,
        done: Progress,
        before: Sequence[Line],
        kept: Sequence[Line],
    ) -> None:
        self.accelerator, name = accelerator, config.training.tracker
        self.sent: set[tuple[int, bool]] = set()
        if name == "none" or not accelerator.is_main_process:
            return
        start = self._tensorboard if name == "tensorboard" else self._service
        for line in start(folder, config, done, before, kept):
            self.send(line)

    def _tensorboard(
        self, folder: Path, config: RunConfig, done: Progress, before: Sequence[Line], kept: Sequence[Line]
    ) -> list[Line]:
        """Start it; the lines that it does not have."""
        name, begun = "tensorboard", (folder / "tensorboard").exists()
        # It hides what a killed run gave it from this step on.
        first_new = done.step + done.validated
        self.accelerator.init_trackers(name, init_kwargs={name: {"purge_step": first_new}})
        return [line for line in kept if line["step"] >= first_new or not begun]

    def _service(
        self, folder: Path, config: RunConfig, done: Progress, before: Sequence[Line], kept: Sequence[Line]
    ) -> list[Line]:
        """Start or continue its run; the lines that it does not have.

        Nothing can be taken back from it. What a killed run does again comes out the same, and is not sent again.
        """
        name, path = config.training.tracker, folder / FILE
        known = read_object(path) if path.exists() else {}
        # A run without a checkpoint begins anew, with another config perhaps.
        old = known.get(name) if done.step else None
        identifier = old or secrets.token_hex(4)
        options = {"resume": "allow", "config": config.model_dump()}
        if name == "wandb":
            options |= {"id": identifier, "name": folder.name, "dir": str(folder)}
        else:
            # trackio finds a run by its name alone.
            options |= {"name": f"{folder.name}-{identifier}"}
        try:
            self.accelerator.init_trackers(config.training.project, init_kwargs={name: options})
        # Each has errors of its own: no key, no network, a name that it does not take.
        except Exception as error:
            why = " ".join(str(error).split())[:200]
            offline = "set WANDB_MODE=offline, or " if name == "wandb" else ""
            raise JobError(f"{name} cannot start ({why}); {offline}choose another training.tracker") from error
        write_json(path, {**known, name: identifier})
        self.sent = set(map(_key, before)) if old else set()
        return [] if old else list(kept)

    def send(self, line: Line) -> None:
        """Show a line of the log, unless it was shown before the run was killed."""
        if _key(line) in self.sent:
            return
        values: dict[str, Any] = {}
        for group, value in line.items():
            scalars = value if isinstance(value, dict) else {"": value}
            values |= {f"{group}/{key}".rstrip("/"): one for key, one in scalars.items() if group != "step"}
        self.accelerator.log(values, step=line["step"])


def _key(line: Line) -> tuple[int, bool]:
    return line["step"], "validation" in line
