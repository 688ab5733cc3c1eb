"""What a run reads, told apart by content and not by place: files may be moved between two starts of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vlhyper.features import FeatureSet
from vlhyper.files import existing_file, sha256
from vlhyper.model.saved import find_saved
from vlhyper.model.spec import WEIGHTS as TRAINED
from vlhyper.readers.manifest import load_manifest
from vlhyper.readers.source import expand
from vlhyper.run.tasks import Run, RunTask

FILE = "inputs.json"
# Keys of a config that name files. Their content is compared where the names differ.
FILE_KEYS = ("features.files", "model.backbone", "model.tokenizer", "start", "tasks.*.data", "tasks.*.root")
WEIGHTS = ("*.safetensors", "config.json")
WORDS = ("tokenizer.json", "spiece.model")


def identity(run: Run, features: FeatureSet | None) -> dict[str, Any]:
    """Digests of everything that a run is trained on, by what a config calls it."""
    spec, start = run.config.model, run.config.start
    found = {
        "features": None if features is None else features.digest(),
        "backbone": _of_model(spec.backbone, WEIGHTS),
        "tokenizer": _of_model(spec.tokenizer or spec.backbone, WORDS),
        "tasks": {task.name: _of_task(task) for task in run.tasks.values()},
    }
    return found if start is None else {**found, "start": start_digest(start)}


def _of_model(name: Any, patterns: Iterable[str]) -> Any:
    """Of a folder the digest of its files; a hub id or a config stands for itself."""
    if not isinstance(name, str) or not Path(name).is_dir():
        return name
    return _joined(sorted(file for pattern in patterns for file in Path(name).glob(pattern)))


def start_digest(run: str) -> str:
    """The digest of the trained weights that a run begins with."""
    path = find_saved(run) / TRAINED
    return sha256(existing_file(path, "the trained weights of the run to start from"))


def _of_task(task: RunTask) -> dict[str, str]:
    """Of each split that training reads: its files, and how they are read."""
    found = {}
    for name in ("train", "val"):
        if split := task.split(name):
            source, settings = task.manifest.source(split), task.manifest.split(split)
            files = [file for path in source.all_paths for one in expand(path) for file in _files(one)]
            how = repr((task.manifest.format, sorted(source.options.items(), key=str), settings.part, settings.seed))
            found[name] = _joined(files + _excluding(task, split), how)
    return found


def _excluding(task: RunTask, split: str) -> list[Path]:
    """The files that tell which images a split leaves out."""
    found: list[Path] = []
    for entry in task.manifest.split(split).exclude:
        found += [Path(task.manifest.root, path) for path in entry.files]
        if entry.manifest is not None:
            other = load_manifest(entry.manifest)
            paths = [path for name in entry.splits for path in other.source(name).all_paths]
            found += [file for path in dict.fromkeys(paths) for one in expand(path) for file in _files(one)]
    return found


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _joined(files: Iterable[Path], how: str = "") -> str:
    digest = hashlib.sha256(how.encode())
    for file in files:
        digest.update(bytes.fromhex(sha256(file)))
    return digest.hexdigest()
