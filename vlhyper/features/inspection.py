"""Inspect a feature file: what it contains, how it was made, and whether every row is intact."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlhyper.console import tracked
from vlhyper.errors import UserError, first_few
from vlhyper.features.hdf5 import open_hdf5, reading
from vlhyper.features.head import checksums
from vlhyper.features.reader import FeatureSet, open_features
from vlhyper.features.writer import read_skipped
from vlhyper.show.tables import print_table

SAMPLE = 3


@dataclass(frozen=True)
class Inspection:
    """Contents and state of one file.

    sample_ids: some ids, evenly spaced; broken: ids of damaged rows; checksum: "ok", "broken" or "none".
    """

    path: str
    images: int
    sample_ids: list[str]
    tokens: int
    width: int
    dtype: str
    meta: dict[str, Any]
    data_sets: list[str]
    shards: list[str]
    bytes: int
    skipped: int
    checksum: str
    broken: list[str]

    def print(self) -> None:
        """Print a table to standard output."""
        provenance = {key: value if isinstance(value, str) else json.dumps(value) for key, value in self.meta.items()}
        rows = {
            "images": self.images,
            "ids such as": ", ".join(self.sample_ids),
            "grid": f"{self.tokens} x {self.width} {self.dtype}",
            "data sets": ", ".join(self.data_sets),
            **provenance,
            "size": f"{self.bytes / 2**20:,.1f} MiB",
            "shards": ", ".join(self.shards) or "none",
            "skipped images": self.skipped,
            "checksum": f"{self.checksum}: {first_few(self.broken)}" if self.broken else self.checksum,
        }
        print_table(("", self.path), rows.items())

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def inspect(path: Path) -> Inspection:
    """Read all of `path`. Raises UserError where it is not a feature file or is truncated."""
    features = open_features(path)
    with reading(path) as file:
        names = sorted(file)
    files = list(dict.fromkeys(segment.path for segment in features.segments))
    for file in files:
        # A truncated shard is an error that names it, instead of many broken rows.
        open_hdf5(file).close()
    broken = broken_rows(features)
    return Inspection(
        path=str(path),
        images=len(features),
        sample_ids=features.ids[:: max(1, -(-len(features) // SAMPLE))],
        tokens=features.tokens,
        width=features.width,
        dtype=str(features.dtype),
        meta=features.meta,
        data_sets=names,
        shards=[file.name for file in files if file != path],
        bytes=sum(file.stat().st_size for file in {path, *files}),
        skipped=len(read_skipped(path)),
        checksum="broken" if broken else "ok" if "crc32" in names else "none",
        broken=broken,
    )


def broken_rows(features: FeatureSet) -> list[str]:
    """Ids of rows that cannot be read, are not finite, or differ from their checksum (where the file has one)."""
    pairs = zip(features.ids, np.concatenate(list(map(checksums, features.paths))).tolist(), strict=True)
    return [
        image for image, known in tracked(pairs, "check", len(features), "images") if _is_broken(features, image, known)
    ]


def _is_broken(features: FeatureSet, image: str, known: int) -> bool:
    try:
        row = features.read([image])
    except UserError:
        return True
    return not np.isfinite(row).all() or (known >= 0 and zlib.crc32(row.data) != known)
