"""Reading random batches: a feature file against per-image .h5 files and a numpy memmap, and for many sizes.

    python benchmarks/features_reading.py [--folder DIR] [--counts 1000,10000,100000]

Beyond the first rows large files are left as holes (the page cache would not hold them), for the reader and the memmap
alike; the per-image files are as many as the smallest count.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from vlhyper.console import print_table
from vlhyper.features import FeatureWriter, open_features

SHAPE, BATCH, BATCHES = (49, 2048), 64, 40
FILLED = 5000
META = {"encoder": "none", "weights_sha256": "0", "preprocessing": {}, "created_with": {}, "precision": "fp32"}
Read = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--counts", default="1000,10000,100000")
    options = parser.parse_args()
    counts = sorted(int(count) for count in options.counts.split(","))
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        for count in counts:
            ways = {"feature file": feature_file(Path(place), count), "memmap": memmap(Path(place), count)}
            if count == counts[0]:
                ways["per-image .h5"] = image_files(Path(place), count)
            taken = compare(ways, count)
            ours = taken["feature file"]
            rows += [(count, way, 1e6 * seconds, seconds / ours) for way, seconds in taken.items()]
    print_table(
        ("images", "way", "µs a row", "times as long as the feature file"), rows, f"random batches of {BATCH}, {SHAPE}"
    )


def compare(ways: dict[str, Read], count: int) -> dict[str, float]:
    """Median seconds a row; the ways take turns, so that what else the machine does hits all alike."""
    generator = np.random.default_rng(0)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(BATCHES + 2):
        batch = generator.integers(0, count, BATCH)
        for way, read in ways.items():
            began = time.perf_counter()
            read(batch)
            if turn > 1:
                taken[way].append((time.perf_counter() - began) / BATCH)
    return {way: float(np.median(seconds)) for way, seconds in taken.items()}


def feature_file(folder: Path, count: int) -> Read:
    path, ids = folder / f"{count}.h5", [f"{number:012}" for number in range(count)]
    block = np.random.default_rng(1).normal(size=(100, *SHAPE)).astype(np.float16)
    with FeatureWriter(path, ids, {"features": (SHAPE, "float16")}, META) as writer:
        for start in range(0, min(count, FILLED), 100):
            writer.settle(ids[start : start + 100], {"features": block})
        # Settled without their rows: holes.
        rest = ids[writer.done :]
        writer.state.add({"done": count, "ids": rest, "crc32": [0] * len(rest), "skipped": []})
    features = open_features(path)
    return lambda batch: features.read([ids[row] for row in batch])


def memmap(folder: Path, count: int) -> Read:
    values = np.lib.format.open_memmap(folder / f"{count}.npy", "w+", np.float16, (count, *SHAPE))
    block = np.random.default_rng(1).normal(size=(100, *SHAPE)).astype(np.float16)
    for start in range(0, min(count, FILLED), 100):
        values[start : start + 100] = block
    values.flush()
    reopened = np.load(folder / f"{count}.npy", mmap_mode="r")
    return lambda batch: reopened[np.sort(batch)]


def image_files(folder: Path, count: int) -> Read:
    """As VL-Adapter's data loader reads them: a file an image, opened at each read."""
    values = np.random.default_rng(1).normal(size=SHAPE).astype(np.float16)
    for row in range(count):
        with h5py.File(folder / f"{row}.image.h5", "w") as file:
            file[f"{row}/features"] = values

    def read(batch: np.ndarray) -> np.ndarray:
        out = np.empty((len(batch), *SHAPE), np.float16)
        for place, row in enumerate(batch):
            with h5py.File(folder / f"{row}.image.h5", "r") as file:
                file[f"{row}/features"].read_direct(out[place])
        return out

    return read


if __name__ == "__main__":
    main()
