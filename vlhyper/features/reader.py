"""Read feature files: one set of features from one or many files, usable from any process."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vlhyper.errors import UserError, first_few
from vlhyper.features.layout import META, joined_versions, read_meta, require_same
from vlhyper.features.raw_rows import Rows, open_hdf5, open_rows

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Segment:
    """`count` consecutive rows of the set in one file, starting at row `first` of the file."""

    path: Path
    first: int
    count: int


def open_features(paths: PathLike | Sequence[PathLike]) -> FeatureSet:
    """Open the features of one file, or of several files in their order.

    Raises UserError for a file of another format, for two files with different encoder, weights or preprocessing (both
    are named), for an id in two files, and for grids of different shape.
    """
    named = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not named:
        raise UserError("no feature file given; give at least one")
    return FeatureSet([Path(path) for path in named])


class FeatureSet:
    """Feature rows by image id.

    ids: the ids in stored order; tokens, width, dtype: shape and dtype of a row; meta: encoder, weights_sha256,
    preprocessing, created_with, precision. It can be pickled and forked: every process opens its own handles at its
    first read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        self.ids: list[str] = []
        self.segments: list[Segment] = []
        heads = [self._add(path) for path in self.paths]
        for path, (meta, shape, _) in zip(self.paths[1:], heads[1:], strict=True):
            require_same(str(self.paths[0]), heads[0][0], str(path), meta)
            if shape != heads[0][1]:
                raise UserError(
                    f"{self.paths[0]} has grids of shape {heads[0][1]} and {path} of {shape} (tokens, width); "
                    "use files of the same shape"
                )
        self.tokens, self.width = heads[0][1]
        self.dtype = np.result_type(*(dtype for _, _, dtype in heads))
        precisions = dict.fromkeys(meta["precision"] for meta, _, _ in heads)
        self.meta: dict[str, Any] = {**{key: heads[0][0][key] for key in META}, "precision": ", ".join(precisions)}
        self.meta["created_with"] = joined_versions(meta for meta, _, _ in heads)
        if files := next((meta["encoder_files"] for meta, _, _ in heads if meta["encoder_files"]), None):
            self.meta["encoder_files"] = files
        self._index = {image: row for row, image in enumerate(self.ids)}
        if len(self._index) < len(self.ids):
            raise UserError(self._doubles())
        self._starts = np.cumsum([0, *(segment.count for segment in self.segments)])
        self._handles: tuple[int, dict[str, list[Rows]]] = (0, {})

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, image: object) -> bool:
        return image in self._index

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handles": (0, {})}

    def __repr__(self) -> str:
        return f"FeatureSet({len(self)} images of ({self.tokens}, {self.width}), {self.meta['encoder']})"

    def read(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of `ids`, (len(ids), tokens, width), in their order; ids may repeat.

        Raises UserError that names the files and the first missing ids.
        """
        return self._read("features", self._rows_of(ids), (self.tokens, self.width), self.dtype)

    def read_array(self, name: str, ids: Sequence[str]) -> np.ndarray:
        """Like `read`, for the data set `name` ("boxes", "sizes"); float32."""
        shape = {"boxes": (self.tokens, 4), "sizes": (2,)}[name]
        return self._read(name, self._rows_of(ids), shape, np.dtype(np.float32))

    def blocks(self, size: int = 64) -> Iterator[list[str]]:
        """The ids in stored order, `size` at a time, to read a set larger than memory."""
        for start in range(0, len(self.ids), size):
            yield self.ids[start : start + size]

    def digest(self) -> str:
        """SHA-256 over the ids and the checksums of their rows in stored order: the same wherever the files are."""
        digest = hashlib.sha256(json.dumps(self.ids).encode())
        for segment in self.segments:
            with open_hdf5(segment.path) as file:
                sums = file["crc32"][segment.first : segment.first + segment.count] if "crc32" in file else ()
                digest.update(np.asarray(sums, "<u4").tobytes())
        return digest.hexdigest()

    def has(self, name: str) -> bool:
        """Whether every file has the data set `name`."""
        return all(name in _names(path) for path in dict.fromkeys(segment.path for segment in self.segments))

    def require(self, **expected: Any) -> None:
        """Raise UserError that names both values where the files differ from those given (encoder=, width=, …)."""
        found: Mapping[str, Any] = {**self.meta, "tokens": self.tokens, "width": self.width}
        for key, value in expected.items():
            if found[key] != value:
                raise UserError(
                    f"{self.paths[0]}: {key} is {found[key]!r} but the run expects {value!r}; "
                    "use the features that the run was made with"
                )

    def _rows_of(self, ids: Sequence[str]) -> np.ndarray:
        try:
            return np.fromiter(map(self._index.__getitem__, ids), dtype=np.int64, count=len(ids))
        except KeyError:
            missing = list(dict.fromkeys(repr(image) for image in ids if image not in self._index))
            raise UserError(
                f"{first_few(self.paths)}: no features for image {first_few(missing)} ({len(self)} images have "
                "features); extract the missing images too, or check image_key"
            ) from None

    def _read(self, name: str, rows: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        out = np.empty((len(rows), *shape), dtype)
        # In order of file position: neighbouring rows are read together.
        order = np.argsort(rows, kind="stable")
        rising = rows[order]
        bounds = np.searchsorted(rising, self._starts).tolist()
        for number, source in enumerate(self._sources(name, dtype)):
            here = slice(bounds[number], bounds[number + 1])
            inside = rising[here] - self._starts[number] + self.segments[number].first
            source.read_into(out, order[here], inside)
        return out

    def _sources(self, name: str, dtype: np.dtype[Any]) -> list[Rows]:
        # An HDF5 handle reads wrong data after a fork, so every process opens its own.
        if self._handles[0] != os.getpid():
            self._handles = (os.getpid(), {})
        opened = self._handles[1]
        if name not in opened:
            by_path = {path: open_rows(path, name, dtype) for path in {segment.path for segment in self.segments}}
            opened[name] = [by_path[segment.path] for segment in self.segments]
        return opened[name]

    def _add(self, path: Path) -> tuple[dict[str, Any], tuple[int, int], np.dtype[Any]]:
        try:
            return self._add_whole(path)
        # h5py raises many kinds of errors for damaged files.
        except (KeyError, OSError, RuntimeError, TypeError, AttributeError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())
            raise UserError(f"{path}: damaged, or not a feature file ({said}); extract or copy it again") from None

    def _add_whole(self, path: Path) -> tuple[dict[str, Any], tuple[int, int], np.dtype[Any]]:
        with open_hdf5(path) as file:
            meta = read_meta(file.attrs, path)
            ids, features = file.get("ids"), file.get("features")
            if ids is None or features is None or features.ndim != 3 or len(ids) != len(features):
                raise UserError(
                    f"{path}: /ids and /features (images, tokens, width) do not match; extract or copy the file again"
                )
            self.ids.extend(ids.asstr()[:].tolist())
            self.segments.extend(_segments(path, features))
            return meta, features.shape[1:], features.dtype

    def _doubles(self) -> str:
        owner: dict[str, Path] = {}
        row = 0
        for segment in self.segments:
            for image in self.ids[row : row + segment.count]:
                if image in owner:
                    return (
                        f"duplicate id {image!r} in {owner[image]} and {segment.path}; keep each image in one file only"
                    )
                owner[image] = segment.path
            row += segment.count
        raise AssertionError("duplicates were counted but not found")


def _segments(path: Path, features: h5py.Dataset) -> list[Segment]:
    """The files that hold the rows: a logical file is read through its shards, as fast as a single file."""
    if not features.is_virtual:
        return [Segment(path, 0, len(features))]
    parts = []
    for source in features.virtual_sources():
        begin, end = source.vspace.get_select_bounds()
        # A shard mapped as a whole has no bounds until HDF5 opens it.
        whole = source.src_space.get_select_type() == h5py.h5s.SEL_ALL
        first = 0 if whole else source.src_space.get_select_bounds()[0][0]
        shard = path.parent / source.file_name
        if not shard.is_file():
            raise UserError(f"{path}: its shard {shard} is missing; put it back, or extract again")
        parts.append((begin[0], Segment(shard, first, end[0] - begin[0] + 1)))
    return [segment for _, segment in sorted(parts, key=lambda part: part[0])]


def _names(path: Path) -> set[str]:
    with open_hdf5(path) as file:
        return set(file)
