"""Write a feature file such that a process killed at any moment loses no finished batch.

An HDF5 file does not survive a killed writer, so the rows are not written through HDF5. `F.h5.part` is created once
with space for every planned image; rows are written at their offsets, and `F.h5.journal` gets one line
after each batch that is on the disk. Only at the end HDF5 adds ids and attributes, and the part is renamed. A run that
finds part and journal writes the head of the part again (always the same bytes) and continues after the last complete
line.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vlhyper.errors import JobError, UserError
from vlhyper.features.journal import Journal
from vlhyper.features.layout import HISTORY, attributes, first_difference, joined_versions
from vlhyper.files import write_text

# Readable by every HDF5 since 1.10; chunks allocated in advance are then consecutive, without an index.
VERSIONS = ("v110", "v110")
# HDF5 does not lock the part: the journal is locked, and not every file system has locks.


@dataclass(frozen=True)
class Skip:
    """An image that could not be read, and why it could not."""

    image: str
    why: str


@dataclass
class State:
    """What the journal records as finished."""

    done: int = 0
    ids: list[str] = field(default_factory=list)
    crc32: list[int] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)

    def add(self, entry: Mapping[str, Any]) -> None:
        self.done = entry["done"]
        self.ids += entry["ids"]
        self.crc32 += entry["crc32"]
        self.skipped += [Skip(**skip) for skip in entry["skipped"]]


class FeatureWriter:
    """Write one feature file, batch by batch.

    out: its final path. planned: the ids to write, in order (skipped images leave no gap). arrays: for each data set
    the shape and the dtype of a row, e.g. {"features": ((49, 2048), "float16")}. meta: see layout.META. skipped: images
    skipped earlier, which stay in the list of skipped images. batch_size: the encoder's, which affects rounding: a part
    is completed with the batch size it was started with (0: the batch size has no effect).

    Raises UserError where another process is writing `out`, or an unfinished part was started with other settings.
    """

    def __init__(
        self,
        out: Path,
        planned: Sequence[str],
        arrays: Mapping[str, tuple[tuple[int, ...], str]],
        meta: Mapping[str, Any],
        skipped: Sequence[Skip] = (),
        batch_size: int = 0,
    ) -> None:
        self.out = out
        self.part = out.with_name(out.name + ".part")
        self.count = len(planned)
        self.arrays = {name: (tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in arrays.items()}
        self.meta = dict(meta)
        self.batch_size = batch_size
        self.state = State(skipped=list(skipped))
        self.journal = Journal(out)
        try:
            with self._disk():
                out.parent.mkdir(parents=True, exist_ok=True)
                self._begin(self._plan(planned))
        except BaseException:
            self.journal.close()
            raise

    @property
    def done(self) -> int:
        """The number of planned images that are finished, written or skipped."""
        return self.state.done

    def settle(self, ids: Sequence[str], rows: Mapping[str, np.ndarray], skipped: Sequence[Skip] = ()) -> None:
        """Write the next len(ids) + len(skipped) planned images: `rows` has (len(ids), …) for each data set.

        After the return the rows are on the disk and survive a kill.
        """
        features = rows["features"]
        broken = ~np.isfinite(features).all(axis=(1, 2))
        if broken.any():
            image = ids[int(np.argmax(broken))]
            wider = features.dtype == np.float16 and not np.isnan(features[broken]).any()
            cure = "use --store float32" if wider else "compute with --precision fp32, and check image and weights"
            raise JobError(
                f"{self.out}: the features of {image!r} contain an infinity or NaN as {features.dtype}; {cure}"
            )
        first = len(self.state.ids)
        with self._disk():
            for name, (shape, dtype) in self.arrays.items():
                assert rows[name].shape == (len(ids), *shape) and rows[name].dtype == dtype, (name, rows[name].shape)
                self._write_rows(name, first, np.ascontiguousarray(rows[name]))
            os.fsync(self.file.fileno())
            entry = {
                "done": self.done + len(ids) + len(skipped),
                "ids": list(ids),
                "crc32": [zlib.crc32(row) for row in np.ascontiguousarray(features)],
                "skipped": [skip.__dict__ for skip in skipped],
            }
            self.journal.append(entry)
        self.state.add(entry)

    def __enter__(self) -> FeatureWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file; after an error keep the part, from which the next run continues."""
        self.file.close()
        try:
            if kind is None:
                self._finish()
        finally:
            self.journal.close()

    def _finish(self) -> None:
        assert self.done == self.count, (self.done, self.count)
        with self._disk():
            self._complete()
            write_skipped(self.out, self.state.skipped)
            self.part.replace(self.out)
            self.journal.remove()

    def _plan(self, planned: Sequence[str]) -> dict[str, Any]:
        digest = hashlib.sha256("\n".join(planned).encode()).hexdigest()
        return {
            "images": len(planned),
            "batch_size": self.batch_size,
            "ids": " … ".join([*planned[:1], *planned[-1:], f"sha256 {digest}"]),
            "arrays": {name: [list(shape), str(dtype)] for name, (shape, dtype) in self.arrays.items()},
            **attributes(self.meta),
        }

    def _begin(self, plan: dict[str, Any]) -> None:
        entries = self.journal.entries()
        if not self.part.exists():
            # Killed between the rename and the removal of the journal, or the part was deleted by hand: start again.
            self.journal.clear()
            entries = []
        if entries:
            self._require_same_plan(entries[0], plan)
            begun = {"created_with": json.loads(entries[0]["created_with"])}
            self.meta["created_with"] = joined_versions([begun, self.meta])
            for entry in entries[1:]:
                self.state.add(entry)
        self.offsets, size = self._lay_head()
        # Unbuffered: what `settle` has written is in the file before the journal says so.
        self.file = self.part.open("r+b", buffering=0)
        self.file.truncate(size)
        if not entries:
            self.journal.append(plan)

    def _require_same_plan(self, begun: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        # A library update between two runs is recorded, not refused: it changes only rounding.
        if found := first_difference(begun, plan, [key for key in plan if key not in HISTORY]):
            key, before, now = found
            raise UserError(
                f"{self.part} was started with {key} {before}, this run has {now}; give the same images and options to "
                f"continue, or delete {self.part} and {self.journal.path} to start again"
            )

    def _lay_head(self) -> tuple[dict[str, int], int]:
        """Write the HDF5 structure at the start of the part; return the offset of each data set and the full size."""
        blank = self.part.with_name(self.part.name + ".head")
        try:
            offsets = _lay_out(blank, self.count, self.arrays)
            size = blank.stat().st_size
            head = min(offsets.values())
            with blank.open("rb") as source:
                content = source.read(head)
            self.part.touch()
            with self.part.open("r+b") as part:
                part.write(content)
        finally:
            blank.unlink(missing_ok=True)
        return offsets, size

    def _write_rows(self, name: str, first: int, rows: np.ndarray) -> None:
        view = rows.reshape(-1).view(np.uint8).data
        shape, dtype = self.arrays[name]
        start = self.offsets[name] + first * int(np.prod(shape)) * dtype.itemsize if len(view) else 0
        self.file.seek(start)
        done = 0
        while done < len(view):
            done += os.write(self.file.fileno(), view[done:])

    def _complete(self) -> None:
        rows = len(self.state.ids)
        self._reserve(64 * 1024 + sum(64 + 2 * len(image.encode()) for image in self.state.ids))
        with h5py.File(self.part, "r+", libver=VERSIONS, locking=False) as file:
            for name, (shape, _) in self.arrays.items():
                file[name].id.set_extent((rows, *shape))
            write_index(file, self.state.ids, self.state.crc32, self.meta)
        # Windows syncs no file that is open for reading alone.
        with self.part.open("r+b") as written:
            os.fsync(written.fileno())

    def _reserve(self, size: int) -> None:
        """Reserve `size` bytes after the rows, more than the index needs: HDF5 crashes when the disk becomes full.

        HDF5 truncates what it did not use.
        """
        with self.part.open("r+b") as part:
            part.seek(0, os.SEEK_END)
            part.write(bytes(size))
            os.fsync(part.fileno())

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """Report a failed write in one line that says how much is saved. h5py raises RuntimeError for some of them."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            if isinstance(error, JobError):
                raise
            reason = getattr(error, "strerror", None) or _of_hdf5(error)
            raise JobError(
                f"{self.out}: cannot be written ({reason}); {self.done} of {self.count} images are saved in "
                f"{self.part}: free disk space and run the same command again to continue"
            ) from error


def _of_hdf5(error: Exception) -> str:
    """The message of the system, taken from the long error texts of HDF5."""
    inner = re.search(r"error message = '([^']+)'", str(error))
    return inner.group(1) if inner else " ".join(str(error).split())


def skipped_path(out: Path) -> Path:
    """The list of images that could not be read, one JSON object per line."""
    return out.with_suffix(".skipped.jsonl")


def write_skipped(out: Path, skipped: Sequence[Skip]) -> None:
    report = skipped_path(out)
    if skipped:
        # A path that is not UTF-8 is written with escapes.
        text = "".join(json.dumps(skip.__dict__, ensure_ascii=False) + "\n" for skip in skipped)
        write_text(report, text.encode("utf-8", "backslashreplace").decode())
    else:
        report.unlink(missing_ok=True)


def read_skipped(out: Path) -> list[Skip]:
    """The images that the run which wrote `out` could not read."""
    report = skipped_path(out)
    lines = report.read_text(encoding="utf-8").split("\n") if report.exists() else []
    try:
        return [Skip(**json.loads(line)) for line in lines if line]
    except (ValueError, TypeError):
        raise UserError(f"{report}: not a list of skipped images; delete the file to try them again") from None


def write_index(
    file: h5py.File, ids: Sequence[str], crc32: Sequence[int] | np.ndarray, meta: Mapping[str, Any]
) -> None:
    """Add ids, checksums and attributes; `format` comes last, because readers refuse a file without it."""
    file.create_dataset("ids", data=np.array(ids, dtype=object), dtype=h5py.string_dtype())
    file.create_dataset("crc32", data=np.array(crc32, dtype=np.uint32))
    for key, value in reversed(attributes(meta).items()):
        file.attrs[key] = value


def _lay_out(path: Path, count: int, arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> dict[str, int]:
    """Create an HDF5 file with all rows allocated but not written (sparse); return the offset of each first row."""
    with h5py.File(path, "w", libver=VERSIONS, locking=False) as file:
        # HDF5 cannot allocate zero rows; the one extra row is removed at the end.
        return {name: _allocate(file, name, max(count, 1), shape, dtype) for name, (shape, dtype) in arrays.items()}


def _allocate(file: h5py.File, name: str, count: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, *shape))
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple((count, *shape))
    kind = h5py.h5t.py_create(dtype)
    data = h5py.h5d.create(file.id, name.encode(), kind, space, dcpl=properties)
    first, last = data.get_chunk_info(0), data.get_chunk_info(count - 1)
    if last.byte_offset - first.byte_offset != (count - 1) * first.size:
        raise JobError(f"{file.filename}: this HDF5 library does not store rows consecutively; use h5py 3.10 or newer")
    return int(first.byte_offset)
