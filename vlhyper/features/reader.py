"""Read feature files: one set of features from one or many files, usable from any process."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlhyper.errors import UserError, first_few
from vlhyper.features.hdf5 import reading
from vlhyper.features.head import checksums, read_head
from vlhyper.features.layout import META, joined_versions, require_same
from vlhyper.features.raw_rows import Rows, open_rows

PathLike = str | os.PathLike[str]


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
        heads = [read_head(path) for path in self.paths]
        first = heads[0]
        for path, head in zip(self.paths[1:], heads[1:], strict=True):
            require_same(str(self.paths[0]), first.meta, str(path), head.meta)
            if head.shape != first.shape:
                raise UserError(
                    f"{self.paths[0]} has grids of shape {first.shape} and {path} of {head.shape} (tokens, width); "
                    "use files of the same shape"
                )
        self.ids = [image for head in heads for image in head.ids]
        self.segments = [segment for head in heads for segment in head.segments]
        self.tokens, self.width = first.shape
        self.dtype = np.result_type(*(head.dtype for head in heads))
        precisions = dict.fromkeys(head.meta["precision"] for head in heads)
        self.meta: dict[str, Any] = {**{key: first.meta[key] for key in META}, "precision": ", ".join(precisions)}
        self.meta["created_with"] = joined_versions(head.meta for head in heads)
        if files := next((head.meta["encoder_files"] for head in heads if head.meta["encoder_files"]), None):
            self.meta["encoder_files"] = files
        self._index = {image: row for row, image in enumerate(self.ids)}
        if len(self._index) < len(self.ids):
            raise UserError(self._doubles())
        self._starts = np.cumsum([0, *(segment.count for segment in self.segments)])
        self._states = {path: state for head in heads for path, state in head.states.items()}
        self._sound = np.zeros(len(self.ids), bool)
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

        Raises UserError that names the files and the first missing ids, images whose features hold a NaN or an
        infinity, and files that were changed since they were opened.
        """
        rows = self._rows_of(ids)
        found = self._read("features", rows, (self.tokens, self.width), self.dtype)
        # Once for each row: later looks would cost a sixth of the time of reading.
        new = np.flatnonzero(~self._sound[rows])
        if broken := [ids[index] for index in new.tolist() if not is_finite(found[index])]:
            raise UserError(f"{self._damage(broken)}; extract these images again")
        self._sound[rows] = True
        return found

    def read_array(self, name: str, ids: Sequence[str]) -> np.ndarray:
        """Like `read`, for the data set `name` ("boxes", "sizes"); float32."""
        shape = {"boxes": (self.tokens, 4), "sizes": (2,)}[name]
        found = self._read(name, self._rows_of(ids), shape, np.dtype(np.float32))
        if broken := [image for image, row in zip(ids, found, strict=True) if not is_usable(name, row)]:
            raise UserError(f"{self._damage(broken, name)}; import these images again")
        return found

    def blocks(self, size: int = 64) -> Iterator[list[str]]:
        """The ids in stored order, `size` at a time, to read a set larger than memory."""
        for start in range(0, len(self.ids), size):
            yield self.ids[start : start + size]

    def digest(self) -> str:
        """SHA-256 over the ids and the checksums of their rows in stored order: the same wherever the files are."""
        digest = hashlib.sha256(json.dumps(self.ids).encode())
        for segment in self.segments:
            sums = checksums(segment.path)[segment.first : segment.first + segment.count]
            digest.update(sums[sums >= 0].astype("<u4").tobytes())
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
        for number, source in enumerate(self._sources(name, shape, dtype)):
            here = slice(bounds[number], bounds[number + 1])
            inside = rising[here] - self._starts[number] + self.segments[number].first
            source.read_into(out, order[here], inside)
        return out

    def _sources(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> list[Rows]:
        # An HDF5 handle reads wrong data after a fork, so every process opens its own.
        if self._handles[0] != os.getpid():
            self._handles = (os.getpid(), {})
        opened = self._handles[1]
        if name not in opened:
            counts: dict[Path, int] = {}
            for one in self.segments:
                counts[one.path] = max(counts.get(one.path, 0), one.first + one.count)
            by_path = {
                path: open_rows(path, name, count, shape, dtype, self._states[path]) for path, count in counts.items()
            }
            opened[name] = [by_path[segment.path] for segment in self.segments]
        return opened[name]

    def _damage(self, images: Sequence[str], name: str = "features") -> str:
        row = self._index[images[0]]
        path = self.segments[int(np.searchsorted(self._starts, row, "right")) - 1].path
        what = "sizes that are none" if name == "sizes" else "a NaN or an infinity"
        return f"{path}: {what} in the {name} of {len(images)} images ({first_few(map(repr, images))})"

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


def is_finite(row: np.ndarray) -> bool:
    """Whether there is no NaN and no infinity in `row`, of floats."""
    if row.dtype != np.float16:
        return bool(np.isfinite(row).all())
    # All bits of the exponent are set; many times as fast as what numpy does for float16.
    return not ((row.view(np.uint16) & 0x7C00) == 0x7C00).any()


def is_usable(name: str, values: np.ndarray) -> bool:
    """Whether an image's features, boxes or sizes are finite, and its sizes lengths of an image."""
    return is_finite(values) and (name != "sizes" or bool((values > 0).all()))


def _names(path: Path) -> set[str]:
    with reading(path) as file:
        return set(file)
