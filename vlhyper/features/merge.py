"""Several feature files as one: a logical file over shards, or a real copy."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from vlhyper.console import progress
from vlhyper.errors import JobError, UserError
from vlhyper.features.inspection import broken_rows, checksums
from vlhyper.features.layout import ROWS, Shapes
from vlhyper.features.reader import FeatureSet, open_features
from vlhyper.features.rows import open_hdf5
from vlhyper.features.writer import VERSIONS, FeatureWriter, read_skipped, write_index, write_skipped
from vlhyper.files import replacing


def shapes_of(features: FeatureSet) -> Shapes:
    """The data sets of `features` as FeatureWriter takes them; boxes and sizes where every file has them."""
    optional = {"boxes": ((features.tokens, 4), "float32"), "sizes": ((2,), "float32")}
    found: Shapes = {"features": ((features.tokens, features.width), str(features.dtype))}
    return {**found, **{name: optional[name] for name in ROWS if name in optional and features.has(name)}}


def copy_rows(writer: FeatureWriter, features: FeatureSet, block: int = 64) -> Iterator[int]:
    """Settle the writer's first planned images, those of `features`; yields how many each time."""
    for start in range(writer.done, len(features), block):
        ids = features.ids[start : start + block]
        extra = {name: features.read_array(name, ids) for name in writer.arrays if name != "features"}
        writer.settle(ids, {"features": features.read(ids), **extra})
        yield len(ids)


def merge(shards: Sequence[Path], out: Path) -> FeatureSet:
    """Write one file with the rows of all `shards`, in their order; an interrupted merge goes on when run again.

    Raises UserError for shards that are not of one kind, for an id that two of them hold, and where `out` is there
    already (a logical file is replaced by the real one). Raises JobError where the copy differs from the shards.
    """
    if out.exists() and not is_logical(out):
        raise UserError(f"{out}: is there already; choose another --out, or delete it first")
    _require_all_ranks(shards)
    features = open_features(list(shards))
    skipped = [skip for shard in shards for skip in read_skipped(shard)]
    with (
        FeatureWriter(out, features.ids, shapes_of(features), features.meta, skipped) as writer,
        progress("merge", len(features), "images", start=writer.done) as bar,
    ):
        for count in copy_rows(writer, features):
            bar(count)
    merged = open_features(out)
    if broken := broken_rows(merged):
        raise JobError(
            f"{out}: the row of {broken[0]!r} is not what was read from the shards; check the disk and merge again"
        )
    return merged


def _require_all_ranks(shards: Sequence[Path]) -> None:
    """Raises UserError where shards of several processes are named, but not all of them."""
    named = [(path, match) for path in shards if (match := re.search(r"(.*)\.shard-(\d+)-of-(\d+)$", path.stem))]
    for path, match in named:
        given = {int(other[2]) for _, other in named if other.group(1, 3) == match.group(1, 3)}
        missing = set(range(int(match[3]))) - given
        if missing:
            raise UserError(
                f"{path}: shard {min(missing)} of its {match[3]} is not named; name all of them, after every process "
                "has finished"
            )


def is_logical(path: Path) -> bool:
    """Whether `path` holds no rows itself but points to shards."""
    with open_hdf5(path) as file:
        return "features" in file and file["features"].is_virtual


def join_shards(shards: Sequence[Path], out: Path) -> None:
    """Write `out` as a logical file: ids and attributes of its own, rows by reference to the shards beside it."""
    features = open_features(list(shards))
    layout = h5py.VirtualLayout((len(features), features.tokens, features.width), features.dtype)
    start = 0
    # HDF5 can't map nothing, and a rank may have found nothing to read.
    for segment in filter(lambda segment: segment.count, features.segments):
        shape = (segment.count, features.tokens, features.width)
        # Relative, so that the folder can be moved; HDF5 looks beside the logical file.
        layout[start : start + segment.count] = h5py.VirtualSource(segment.path.name, "features", shape, features.dtype)
        start += segment.count
    # In memory first, where HDF5 can't meet a full disk: it would crash.
    content = io.BytesIO()
    with h5py.File(content, "w", libver=VERSIONS) as file:
        file.create_virtual_dataset("features", layout)
        write_index(file, features.ids, np.concatenate([checksums(shard) for shard in shards]), features.meta)
    try:
        write_skipped(out, [skip for shard in shards for skip in read_skipped(shard)])
        with replacing(out) as part:
            part.write_bytes(content.getbuffer())
    except OSError as error:
        raise JobError(
            f"{out}: can't write ({error.strerror}); its shards are whole: make room and run the same command again"
        ) from error
