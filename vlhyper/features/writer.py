"""Writing a feature file so that a process killed at any moment loses nothing that it had said was done.

HDF5 does not survive a killed writer, so HDF5 is not the one that writes the rows. `F.h5.part` is laid out once with
room for every planned image; rows are written into their places with `pwrite`, and `F.h5.journal` gets one line after
each batch that is on the disk. Only at the end HDF5 adds ids and attributes, and the part is renamed. A run that finds
part and journal lays the head of the part anew (the layout is the same bytes each time) and goes on behind the last
whole line.
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
from vlhyper.features.layout import attributes, first_difference, joined_versions
from vlhyper.files import write_text

# Readable by every HDF5 since 1.10; chunks laid out beforehand then lie one behind the other without an index.
VERSIONS = ("v110", "v110")


@dataclass(frozen=True)
class Skip:
    """An image that could not be read, and why."""

    image: str
    why: str


@dataclass
class State:
    """What the journal says is settled."""

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
    """One feature file in the making.

    out: its final name. planned: the ids meant to go in, in order (those that prove unreadable leave no gap). arrays:
    per data set the shape of a row and its numbers, e.g. {"features": ((49, 2048), "float16")}. meta: see layout.META.
    skipped: images skipped earlier, which stay on the list beside the file. batch_size: of the maker of the rows, whose
    rounding it decides: a part is completed with the one it was begun with (0: it decides nothing).

    Raises UserError where another process is writing `out`, or an unfinished part was begun with another plan.
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
        """How many of the planned images are settled, written or skipped."""
        return self.state.done

    def settle(self, ids: Sequence[str], rows: Mapping[str, np.ndarray], skipped: Sequence[Skip] = ()) -> None:
        """The next len(ids) + len(skipped) planned images: `rows` holds (len(ids), …) for each data set.

        When this returns the rows are on the disk and will outlive a kill.
        """
        features = rows["features"]
        broken = ~np.isfinite(features).all(axis=(1, 2))
        if broken.any():
            image = ids[int(np.argmax(broken))]
            raise JobError(
                f"{self.out}: the features of {image!r} hold an infinity or NaN as {features.dtype}; "
                "use --store float32, or --precision fp32 where that was lowered"
            )
        first = len(self.state.ids)
        with self._disk():
            for name, (shape, dtype) in self.arrays.items():
                assert rows[name].shape == (len(ids), *shape) and rows[name].dtype == dtype, (name, rows[name].shape)
                self._place(name, first, np.ascontiguousarray(rows[name]))
            os.fsync(self.file)
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
        """Finish the file; after an error leave the part, from which the next run goes on."""
        os.close(self.file)
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
            # Killed between the last rename and the journal's removal, or the part was deleted by hand: begin anew.
            self.journal.clear()
            entries = []
        if entries:
            self._require_same_plan(entries[0], plan)
            begun = {"created_with": json.loads(entries[0]["created_with"])}
            self.meta["created_with"] = joined_versions([begun, self.meta])
            for entry in entries[1:]:
                self.state.add(entry)
        self.offsets, size = self._lay_head()
        self.file = os.open(self.part, os.O_WRONLY)
        os.truncate(self.part, size)
        if not entries:
            self.journal.append(plan)

    def _require_same_plan(self, begun: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        # An update of a library between two runs is written down, not refused: it changes no more than rounding.
        if found := first_difference(begun, plan, [key for key in plan if key != "created_with"]):
            key, before, now = found
            raise UserError(
                f"{self.part} was begun with {key} {before}, this run has {now}; give the same images and options to "
                f"go on with it, or delete {self.part} and {self.journal.path} to begin anew"
            )

    def _lay_head(self) -> tuple[dict[str, int], int]:
        """Write the HDF5 structure at the start of the part; returns where each data set begins, and the full size."""
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

    def _place(self, name: str, first: int, rows: np.ndarray) -> None:
        view = rows.reshape(-1).view(np.uint8).data
        shape, dtype = self.arrays[name]
        start = self.offsets[name] + first * int(np.prod(shape)) * dtype.itemsize if len(view) else 0
        done = 0
        while done < len(view):
            done += os.pwrite(self.file, view[done:], start + done)

    def _complete(self) -> None:
        rows = len(self.state.ids)
        self._reserve(64 * 1024 + sum(64 + 2 * len(image.encode()) for image in self.state.ids))
        with h5py.File(self.part, "r+", libver=VERSIONS) as file:
            for name, (shape, _) in self.arrays.items():
                file[name].id.set_extent((rows, *shape))
            write_index(file, self.state.ids, self.state.crc32, self.meta)
        with self.part.open("rb") as written:
            os.fsync(written.fileno())

    def _reserve(self, size: int) -> None:
        """Take `size` bytes behind the rows, more than the index needs: HDF5 crashes where the disk fills up under it.

        HDF5 cuts off what it has not used.
        """
        with self.part.open("r+b") as part:
            part.seek(0, os.SEEK_END)
            part.write(bytes(size))
            os.fsync(part.fileno())

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """Failing writes as one line that says how much is safe. h5py raises RuntimeError for some of them."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            if isinstance(error, JobError):
                raise
            reason = getattr(error, "strerror", None) or _of_hdf5(error)
            raise JobError(
                f"{self.out}: can't write ({reason}); {self.done} of {self.count} images are safe in {self.part}: make "
                "room and run the same command again, it goes on from there"
            ) from error


def _of_hdf5(error: Exception) -> str:
    """What the system said, out of the long texts in which HDF5 wraps it."""
    inner = re.search(r"error message = '([^']+)'", str(error))
    return inner.group(1) if inner else " ".join(str(error).split())


def skipped_path(out: Path) -> Path:
    """Where the images that could not be read are listed, one JSON object a line."""
    return out.with_suffix(".skipped.jsonl")


def write_skipped(out: Path, skipped: Sequence[Skip]) -> None:
    report = skipped_path(out)
    if skipped:
        # A path that is no UTF-8 is written with escapes.
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
        raise UserError(f"{report}: not a list of skipped images; delete it to have them tried again") from None


def write_index(
    file: h5py.File, ids: Sequence[str], crc32: Sequence[int] | np.ndarray, meta: Mapping[str, Any]
) -> None:
    """What makes a file of rows a feature file; `format` comes last, a file without it is refused by readers."""
    file.create_dataset("ids", data=np.array(ids, dtype=object), dtype=h5py.string_dtype())
    file.create_dataset("crc32", data=np.array(crc32, dtype=np.uint32))
    for key, value in reversed(attributes(meta).items()):
        file.attrs[key] = value


def _lay_out(path: Path, count: int, arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> dict[str, int]:
    """An HDF5 file with all rows allocated and none written (sparse on the disk); returns the first row's place."""
    with h5py.File(path, "w", libver=VERSIONS) as file:
        # HDF5 can't lay out nothing; one row more than none is taken away again at the end.
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
        raise JobError(f"{file.filename}: this HDF5 library does not lay rows out in a row; use h5py 3.10 or newer")
    return int(first.byte_offset)
