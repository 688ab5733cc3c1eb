"""The run folder: which run it holds, and whether another config is the same run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from safetensors import SafetensorError

from vlhyper.console import say
from vlhyper.errors import JobError, UserError
from vlhyper.features import FeatureSet
from vlhyper.files import JOB_FAULTS, read_json, write_json
from vlhyper.model.spec import WEIGHTS
from vlhyper.run.checkpoints import load_progress, newest
from vlhyper.run.config import NEUTRAL, RunConfig, differences, load_config, save_config
from vlhyper.run.identity import FILE, FILE_KEYS, identity
from vlhyper.run.tasks import Run


def claim(folder: Path, run: Run, features: FeatureSet | None) -> None:
    """Make the run folder, or check that it holds a run of the same config, or of one that can be resumed with this.

    Moved files of the same content, settings that change no result, and more steps do not matter.
    Raises UserError for a folder that holds another run.
    """
    path = folder / "config.yaml"
    # A folder in which no step was finished holds nothing to protect: a mended config takes its place.
    if path.exists() and (newest(folder) or (folder / WEIGHTS).exists()):
        changed = changes(load_config(path), run, folder, features)
        if changed:
            more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            raise UserError(f"{folder}: holds a run of another config: {changed[0]}{more}; choose another --out")
        if finished(folder, run.config.training.steps):
            say(f"{folder}: is already finished; score it with: vlhyper evaluate {folder}")
            return
        if last := newest(folder):
            say(f"{folder}: resuming from {last.name}")
    else:
        write_json(folder / FILE, identity(run, features))
    save_config(run.config, path)


def changes(old: RunConfig, run: Run, folder: Path, features: FeatureSet | None) -> list[str]:
    """`key: old, now new` for each difference that makes it another run than the one in the folder."""
    new, found = run.config, differences(old, run.config)
    left = {key: told for key, told in found.items() if key not in NEUTRAL}
    # Steps already done are those of a longer run too, unless the rate fell towards the end.
    if new.training.steps > old.training.steps and not (old.training.decay or new.training.decay):
        left.pop("training.steps", None)
    named = [key for key in left if any(fnmatchcase(key, pattern) for pattern in (*FILE_KEYS, "tasks.*.data.*"))]
    if named and (folder / FILE).exists() and read_json(folder / FILE) == identity(run, features):
        left = {key: told for key, told in left.items() if key not in named}
    return [f"{key}: {told}" for key, told in left.items()]


def finished(folder: Path, steps: int) -> bool:
    """Whether all steps of the run are done and its weights are there."""
    last = newest(folder)
    if last is None or not (folder / WEIGHTS).exists():
        return False
    done = load_progress(last)
    return done.step >= steps and done.validated


def require_room(folder: Path, trained: int) -> None:
    """Raises JobError where the disk cannot hold what a run of `trained` bytes of weights keeps."""
    # A checkpoint is the weights with AdamW's two moments; the old one goes when the new one is whole. Then the best.
    needed, free = (3 * 2 + 2) * trained, shutil.disk_usage(folder).free
    if free < needed:
        raise JobError(
            f"{folder}: {free / 1e6:,.0f} MB are free on this disk, the run needs {needed / 1e6:,.0f} MB for its "
            "checkpoints; make room, or choose another --out"
        )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """A full disk as a JobError that names the folder and says that nothing is lost."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) in JOB_FAULTS[:2]
        if not full and not any(told in str(error) for told in ("No space left", "Disk quota exceeded")):
            raise
        free = shutil.disk_usage(folder).free / 1e6
        raise JobError(
            f"{folder}: the disk is full ({free:,.0f} MB free); make room and start the same command again: it resumes "
            "from its last checkpoint"
        ) from None
