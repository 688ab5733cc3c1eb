"""Join several feature files: as a logical file that refers to shards, or as a copy."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from vlhyper.console import progress
from vlhyper.errors import JobError, UserError
from vlhyper.features.hdf5 import data_set, reading
from vlhyper.features.head import checksums
from vlhyper.features.inspection import broken_rows
from vlhyper.features.layout import ROWS, Shapes
from vlhyper.features.reader import FeatureSet, open_features
from vlhyper.features.writer import VERSIONS, FeatureWriter, read_skipped, write_index, write_skipped
from vlhyper.files import replacing


def shapes_of(features: FeatureSet) -> Shapes:
    """The data sets of `features` for a FeatureWriter; boxes and sizes only where every file has them."""
    optional = {"boxes": ((features.tokens, 4), "float32"), "sizes": ((2,), "float32")}
    found: Shapes = {"features": ((features.tokens, features.width), str(features.dtype))}
    return {**found, **{name: optional[name] for name in ROWS if name in optional and features.has(name)}}


def copy_rows(writer: FeatureWriter, features: FeatureSet, block: int = 64) -> Iterator[int]:
    """Copy the rows of `features`, the first planned images of `writer`; yields the number of images per step."""
    for start in range(writer.done, len(features), block):
        ids = features.ids[start : start + block]
        extra = {name: features.read_array(name, ids) for name in writer.arrays if name != "features"}
        writer.settle(ids, {"features": features.read(ids), **extra})
        yield len(ids)


def merge(shards: Sequence[Path], out: Path) -> FeatureSet:
    """Write one file with the rows of all `shards`, in their order; run again to continue an interrupted merge.

    Raises UserError for shards that do not belong together, for an id in two of them, and where `out` already exists
    (only a logical file is replaced). Raises JobError where the copy differs from the shards.
    """
    if out.exists() and not is_logical(out):
        raise UserError(f"{out}: already exists; choose another --out, or delete the file first")
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
            f"{out}: {len(broken)} rows differ from the shards, first {broken[0]!r}; check the disk and merge again"
        )
    return merged


def _require_all_ranks(shards: Sequence[Path]) -> None:
    """Raise UserError where only some of the shards of one extraction are given."""
    named = [(path, match) for path in shards if (match := re.search(r"(.*)\.shard-(\d+)-of-(\d+)$", path.stem))]
    for path, match in named:
        given = {int(other[2]) for _, other in named if other.group(1, 3) == match.group(1, 3)}
        missing = set(range(int(match[3]))) - given
        if missing:
            raise UserError(
                f"{path}: shard {min(missing)} of {match[3]} is missing; give all shards, after every process "
                "has finished"
            )


def is_logical(path: Path) -> bool:
    """Whether `path` contains no rows but refers to shards."""
    with reading(path) as file:
        return "features" in file and data_set(file, "features", mapped=True).is_virtual


def join_shards(shards: Sequence[Path], out: Path) -> None:
    """Write `out` as a logical file: it contains ids and attributes and refers to the shards for its rows."""
    features = open_features(list(shards))
    layout = h5py.VirtualLayout((len(features), features.tokens, features.width), features.dtype)
    start = 0
    # HDF5 cannot map zero rows, and a rank may have had no readable image.
    for segment in filter(lambda segment: segment.count, features.segments):
        shape = (segment.count, features.tokens, features.width)
        # A relative name, so that the folder can be moved; HDF5 searches the folder of the logical file.
        layout[start : start + segment.count] = h5py.VirtualSource(segment.path.name, "features", shape, features.dtype)
        start += segment.count
    # First in memory: HDF5 crashes on a full disk.
    content = io.BytesIO()
    with h5py.File(content, "w", libver=VERSIONS) as file:
        file.create_virtual_dataset("features", layout)
        write_index(file, features.ids, np.concatenate(list(map(checksums, shards))), features.meta)
    try:
        write_skipped(out, [skip for shard in shards for skip in read_skipped(shard)])
        with replacing(out) as part:
            part.write_bytes(content.getbuffer())
    except OSError as error:
        raise JobError(
            f"{out}: cannot be written ({error.strerror}); the shards are complete: free disk space and run the same "
            "command again"
        ) from error
