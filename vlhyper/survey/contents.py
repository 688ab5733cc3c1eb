"""The files of a folder by what they may be: pictures, annotations, features."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vlhyper.errors import UserError
from vlhyper.readers.images import PICTURES

READABLE = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".token")
HDF5 = (".h5", ".hdf5")
# More texts or feature files in one folder are the items of a data set, not descriptions of it.
MANY = 100


@dataclass(frozen=True)
class Contents:
    """`pictures`: names without endings, by folder. `hdf5`: files, or the folder of many. `others`: by ending."""

    root: Path
    pictures: dict[Path, list[str]] = field(default_factory=dict)
    readable: list[Path] = field(default_factory=list)
    hdf5: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def stems_below(self, folder: Path) -> list[str]:
        """The names of the pictures in a folder and below it, as they become ids of features."""
        return [stem for one, stems in self.pictures.items() if one.is_relative_to(folder) for stem in stems]

    def short(self, path: Path) -> str:
        """A path as it is told: from the folder on, where it is below it."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def look(root: Path) -> Contents:
    """Walk through a folder and all below it, links followed once, names that begin with a dot left out.

    Raises UserError where it is no folder.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; name the one that holds your images and annotations")
    found, seen = Contents(root), set[str]()
    for below, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if (real := os.path.realpath(below)) in seen:
            folders.clear()
            continue
        seen.add(real)
        _sort(found, Path(below), sorted(name for name in names if not name.startswith(".")))
    return found


def _sort(found: Contents, folder: Path, names: list[str]) -> None:
    found.folders.append(folder)
    paths = [folder / name for name in names]
    kinds = {path: Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower() for path in paths}
    if pictures := [path.stem for path in paths if kinds[path] in PICTURES]:
        found.pictures[folder] = pictures
    readable = [path for path in paths if kinds[path] in READABLE]
    hdf5 = [path for path in paths if kinds[path] in HDF5]
    found.readable.extend(readable if len(readable) <= MANY else ())
    found.hdf5.extend(hdf5 if len(hdf5) <= 3 else [folder])
    known = (*PICTURES, *HDF5, *(READABLE if len(readable) <= MANY else ()))
    found.others.update(kind or "no ending" for kind in kinds.values() if kind not in known)
