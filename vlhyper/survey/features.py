"""The features that are there already, and the ones that are still to be made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlhyper.errors import UserError


@dataclass(frozen=True)
class Grid:
    """Feature files that are there: their ids and the encoder that made them."""

    paths: list[Path]
    ids: Collection[str]
    encoder: str


def grids_of(paths: Sequence[Path]) -> tuple[list[Grid], dict[Path, str]]:
    """The feature files among HDF5 files (and folders of them), and what is said of the others."""
    found: list[Grid] = []
    others: dict[Path, str] = {}
    for path in paths:
        try:
            told = _grid(path)
        except ModuleNotFoundError as error:
            told = f"is not looked at, because {error.name} is not installed: pip install 'vlhyper[model]'"
        except (UserError, OSError) as error:
            told = str(error).removeprefix(f"{path}: ")
        if isinstance(told, Grid):
            found.append(told)
        else:
            others[path] = told
    return found, others


def _grid(path: Path) -> Grid | str:
    import h5py

    from vlhyper.features import open_features
    from vlhyper.features.foreign import find_sources
    from vlhyper.features.layout import FORMAT

    if path.is_file():
        with h5py.File(path, "r") as file:
            ours = str(file.attrs.get("format", "")).startswith(FORMAT.partition("/")[0])
        if ours:
            features = open_features(path)
            return Grid([path], set(features.ids), str(features.meta["encoder"]))
    layout, sources = find_sources(path)
    told = f"{len(sources)} images' features of {layout.title}"
    return f"{told}; to use them: vlhyper import-features {path} --out FEATURES.h5"
