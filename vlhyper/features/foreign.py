"""The feature files of other projects: where each image's features are, and how they are read.

VL-Adapter  a folder of .h5 files, each with a group named by its image
VL-T5       one .h5 file with a group per image: `features` (tokens, width), `boxes` (tokens, 4), `img_w`, `img_h`
LXMERT      one .tsv file with a line per image, arrays in base64; also the six columns of bottom-up-attention
grid files  one .hdf5 file with `ID_grids` or `ID_features` and perhaps `ID_boxes` per image (M2, RSTNet, DLCT)
numpy       a folder of .npy or .npz files; `features` or `feat` (tokens, width), `x` (width, tokens) as OpenVQA has it
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from vlhyper.console import progress
from vlhyper.errors import UserError
from vlhyper.features.apart import Crash, apart
from vlhyper.features.hdf5 import MOST_ROW, data_set, open_hdf5, reading, sub_group
from vlhyper.files import hidden

Record = dict[str, np.ndarray]
LXMERT = ("img_id", "img_h", "img_w", "objects_id", "objects_conf", "attrs_id", "attrs_conf")
COLUMNS = {
    10: (*LXMERT, "num_boxes", "boxes", "features"),
    6: ("image_id", "img_w", "img_h", "num_boxes", "boxes", "features"),
}
# Regions come before grids: the boxes of a file with both belong to them.
FLAT = ("_features", "_grids")
# Arrays that are read; others, such as pickled descriptions, are not read. OpenVQA's `x` is (width, tokens).
WANTED = ("features", "boxes", "img_w", "img_h")
NUMPY = {name: name for name in WANTED}
NUMPY |= {"feat": "features", "x": "turned", "bbox": "boxes", "image_w": "img_w", "image_h": "img_h"}


class Source(NamedTuple):
    """Where the features of an image are; `start` is the offset of its line in a text file."""

    path: Path
    image: str
    start: int = 0


class Layout(NamedTuple):
    """title: for the file's attributes; opened: a context that gives the function from a source to its arrays."""

    title: str
    opened: Callable[[Path], AbstractContextManager[Callable[[Source], Record]]]


def find_sources(source: Path) -> tuple[Layout, list[Source]]:
    """The layout of a folder or file, and its images. Raises UserError where it has none, and for two equal ids."""
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    layout, found = _in_folder(source) if source.is_dir() else _in_file(source)
    if not found:
        raise UserError(
            f"{source}: no features of VL-Adapter (a folder of .h5 files), VL-T5 (one .h5 file, a group per image), "
            "LXMERT (.tsv), ID_grids or ID_features (.hdf5), or numpy (a folder of .npz or .npy files)"
        )
    first: dict[str, Path] = {}
    for path, image, _ in found:
        if image in first:
            raise UserError(
                f"{first[image]} and {path} would have the same id {image!r}; import their folders into separate files"
            )
        first[image] = path
    return layout, found


def _in_folder(folder: Path) -> tuple[Layout, list[Source]]:
    for layout, suffixes in (
        (Layout("VL-Adapter", _groups), (".h5", ".hdf5")),
        (Layout("numpy", _numpy), (".npz", ".npy")),
    ):
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix in suffixes and not hidden(path, folder)]
        if paths:
            return layout, [Source(path, path.stem) for path in paths]
    return layout, []


def _in_file(path: Path) -> tuple[Layout, list[Source]]:
    if path.suffix == ".tsv":
        return Layout("LXMERT", _lines), list(_index(path))
    try:
        names, groups = next(iter(apart(lambda: [_listed(path)])))
    except Crash as crash:
        raise UserError(f"{path}: damaged ({crash}); copy it again") from None
    if groups:
        return Layout("VL-T5", _groups), [Source(path, name) for name in groups]
    images = dict.fromkeys(name.removesuffix(end) for name in names for end in FLAT if name.endswith(end))
    return Layout("grids", _flat), [Source(path, image) for image in images]


def _listed(path: Path) -> tuple[list[str], list[str]]:
    """The names in an HDF5 file, and those of them that are groups; links to other places are neither."""
    with reading(path) as file:
        names = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
        return names, [name for name in names if file.get(name, getclass=True) is h5py.Group]


def _index(path: Path) -> Iterator[Source]:
    start = 0
    with path.open("rb") as file, progress(f"index {path.name}", None, "images") as bar:
        for line in iter(partial(file.readline, MOST_ROW + 1), b""):
            if len(line) > MOST_ROW:
                raise UserError(f"{path}: the line at byte {start:,} has no end; copy the file again")
            if not start and line.count(b"\t") + 1 not in COLUMNS:
                raise UserError(f"{path}: not a .tsv file of LXMERT or bottom-up-attention (10 or 6 columns)")
            yield Source(path, line.split(b"\t", 1)[0].decode(errors="replace"), start)
            start += len(line)
            bar()


@contextmanager
def _groups(path: Path) -> Iterator[Callable[[Source], Record]]:
    with open_hdf5(path) as file:

        def read(source: Source) -> Record:
            group = sub_group(file, source.image)
            return _arrays({name: data_set(group, name) for name in WANTED if name in group})

        yield read


@contextmanager
def _flat(path: Path) -> Iterator[Callable[[Source], Record]]:
    with open_hdf5(path) as file:

        def read(source: Source) -> Record:
            names = {"features": [source.image + end for end in FLAT], "boxes": [f"{source.image}_boxes"]}
            found = {key: name for key, some in names.items() for name in reversed(some) if name in file}
            return _arrays({key: data_set(file, name) for key, name in found.items()})

        yield read


@contextmanager
def _numpy(path: Path) -> Iterator[Callable[[Source], Record]]:
    # Never with pickles: they run code. Mapped, so that a header which speaks of terabytes costs nothing.
    loaded = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        yield lambda source: _arrays({"features": loaded})
        return
    with loaded:
        for member in loaded.zip.infolist():
            if Path(member.filename).stem in NUMPY and member.file_size > MOST_ROW:
                raise ValueError(f"{member.filename} unpacks to more than {MOST_ROW / 1e6:.0f} MB")
        found = {NUMPY[name]: loaded[name] for name in loaded.files if name in NUMPY}
    if "turned" in found:
        found["features"] = found["turned"].T
    yield lambda source: _arrays(found)


@contextmanager
def _lines(path: Path) -> Iterator[Callable[[Source], Record]]:
    with path.open("rb") as file:

        def read(source: Source) -> Record:
            file.seek(source.start)
            cells = file.readline().rstrip(b"\r\n").split(b"\t")
            row = dict(zip(COLUMNS[len(cells)], cells, strict=True))
            boxes = int(row["num_boxes"])
            arrays = {
                name: np.frombuffer(base64.b64decode(row[name], validate=True), np.float32).reshape(boxes, -1)
                for name in ("features", "boxes")
            }
            return _arrays({**arrays, "img_w": np.array(int(row["img_w"])), "img_h": np.array(int(row["img_h"]))})

        yield read


def _arrays(group: dict[str, h5py.Dataset | np.ndarray]) -> Record:
    """`features` (tokens, width), and `boxes` and `sizes` where there are any; (rows, columns, width) is flattened."""
    for name, value in group.items():
        if value.dtype.kind not in "fiu" or value.size * value.dtype.itemsize > MOST_ROW:
            raise ValueError(f"{name} of {value.dtype} {value.shape} is no array of numbers of a size that is meant")
    features = np.asarray(group["features"][()])
    if features.ndim == 3 and features.shape[0] == features.shape[1] < features.shape[2]:
        features = features.reshape(-1, features.shape[2])
    if features.ndim != 2 or not features.size:
        raise ValueError(f"features of shape {features.shape} are not (tokens, width)")
    found = {"features": features}
    if "boxes" in group:
        found["boxes"] = group["boxes"][()]
    if "img_w" in group and "img_h" in group:
        found["sizes"] = np.array([group["img_w"][()], group["img_h"][()]])
    return found
