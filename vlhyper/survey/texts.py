"""Text data sets, whose tables say little about themselves: found by the folders and files of the shipped manifests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vlhyper.errors import UserError
from vlhyper.readers.manifest import Split, load_manifest
from vlhyper.readers.source import expand
from vlhyper.readers.splits import part_of
from vlhyper.settings import read_yaml
from vlhyper.shipped import Shipped, shipped
from vlhyper.survey.splits import LEARNT, held_out_of, read
from vlhyper.tasks import TASKS

VALIDATION = ("validation", "val", "dev")
# Of a manifest what a config does not need.
TOLD = ("about", "licence", "homepage", "sources")
SPLIT = ("files", "submission")


@dataclass(frozen=True)
class TextSet:
    """A text task, the folder of its files, and how its splits are read; `rows`: how many each split has.

    content: the manifest for these files; None where they are the published ones, whole, which the shipped one reads.
    """

    task: str
    manifest: Shipped
    root: Path
    rows: dict[str, int]
    content: dict[str, Any] | None

    @property
    def paths(self) -> list[Path]:
        return [self.root]

    @property
    def validation(self) -> str | None:
        return next((name for name in VALIDATION if name in self.rows), None)


def text_sets(folders: Sequence[Path]) -> Iterator[TextSet | tuple[Path, str]]:
    """The text data sets in these folders; of one that cannot be read, its folder and why."""
    by_name: dict[str, list[Path]] = {}
    for folder in folders:
        by_name.setdefault(folder.resolve().name.lower(), []).append(folder)
    for file in shipped("data"):
        task = file.path.stem.removeprefix("glue_")
        if file.place.parts[1:-1] or task not in TASKS or TASKS[task].sees_image:
            continue
        written = read_yaml(file.path, "a manifest")
        for folder in by_name.get(PurePosixPath(written["root"]).name.lower(), []):
            found = _in(folder, task, file)
            if found is not None:
                yield found


def _in(folder: Path, task: str, file: Shipped) -> TextSet | tuple[Path, str] | None:
    manifest = load_manifest(file.path, root=str(folder.absolute()))
    there = [name for name in manifest.splits if all(map(expand, manifest.source(name).all_paths))]
    if not there:
        return None
    if LEARNT not in there:
        lacking = next(path.name for path in manifest.source(LEARNT).all_paths)
        return folder, f"has no {lacking} to learn {task} from"
    try:
        ids = {name: read("table", manifest.source(name)).ids for name in there}
    except UserError as error:
        return folder, str(error)
    parts = {name: _part(manifest.split(name), len(ids[name])) for name in there}
    rows = {name: _size(ids[name], part) for name, part in parts.items()}
    if all(split.count == rows.get(name) for name, split in manifest.splits.items()):
        return TextSet(task, file, folder, rows, None)
    if not any(name in rows for name in VALIDATION) and not parts[LEARNT]:
        cut = {"held_out": held_out_of(len(ids[LEARNT]))}
        parts |= {LEARNT: {"part": "all-but-held-out", **cut}, "val": {"part": "held-out", **cut}}
        rows |= {name: _size(ids[LEARNT], parts[name]) for name in (LEARNT, "val")}
    kept = {name: count for name, count in rows.items() if count}
    if LEARNT not in kept:
        return folder, f"has too few rows to learn {task} from"
    return TextSet(task, file, folder, kept, _content(file, kept, parts))


def _part(split: Split, rows: int) -> dict[str, Any]:
    """Which part of its files a split is; of few rows a smaller one is held out."""
    if split.part is None:
        return {}
    if not split.part.endswith("held-out"):
        return {"part": split.part}
    return {"part": split.part, "held_out": split.held_out if split.held_out < rows else held_out_of(rows)}


def _size(ids: Sequence[str], part: dict[str, Any]) -> int:
    """How many rows a part has; none where there are too few to be parted."""
    if not part:
        return len(ids)
    return len(part_of(ids, **part)) if part.get("held_out", 0) < len(ids) else 0


def _content(file: Shipped, rows: dict[str, int], parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    written = read_yaml(file.path, "a manifest")
    shipped_splits = written["splits"]
    splits = {
        name: {key: value for key, value in shipped_splits.get(name, shipped_splits[LEARNT]).items() if key in SPLIT}
        | parts[name]
        for name in rows
    }
    return {key: value for key, value in written.items() if key not in TOLD} | {"splits": splits}
