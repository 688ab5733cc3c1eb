"""Reading random batches: a feature file against per-image .h5 files and a numpy memmap, and for many sizes.

    python benchmarks/features_reading.py [--folder DIR] [--counts 1000,10000,100000]

First grids of RN101's shape, as many as the smallest count; then narrower grids, so that all counts fit into the page
cache.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from vlhyper.features import FeatureWriter, open_features
from vlhyper.show.tables import print_table

BATCH, BATCHES, BLOCK = 64, 40, 100
META = {"encoder": "none", "weights_sha256": "0", "preprocessing": {}, "created_with": {}, "precision": "fp32"}
Read = Callable[[np.ndarray], np.ndarray]
Shape = tuple[int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--counts", default="1000,10000,100000")
    options = parser.parse_args()
    counts = sorted(int(count) for count in options.counts.split(","))
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        for number, (shape, some) in enumerate((((49, 2048), counts[:1]), ((49, 128), counts))):
            folder = Path(place, str(number))
            folder.mkdir()
            show(shape, {count: compare(ways(folder, count, shape, count == counts[0]), count) for count in some})


def show(shape: Shape, taken: dict[int, dict[str, float]]) -> None:
    rows = [
        (count, way, 1e6 * seconds, seconds / of_count["feature file"])
        for count, of_count in taken.items()
        for way, seconds in of_count.items()
    ]
    columns = ("images", "way", "µs a row", "times as long as the feature file")
    print_table(columns, rows, f"random batches of {BATCH}, {shape}")


def ways(folder: Path, count: int, shape: Shape, images: bool) -> dict[str, Read]:
    block = np.random.default_rng(1).normal(size=(BLOCK, *shape)).astype(np.float16)
    found = {"feature file": feature_file(folder, count, block), "memmap": memmap(folder, count, block)}
    return {**found, "per-image .h5": image_files(folder, count, block[0])} if images else found


def compare(ways: dict[str, Read], count: int) -> dict[str, float]:
    """Seconds per row in the fastest batch, because other load can only add time. The variants alternate."""
    generator = np.random.default_rng(0)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(BATCHES + 2):
        batch = generator.integers(0, count, BATCH)
        for way, read in ways.items():
            began = time.perf_counter()
            read(batch)
            if turn > 1:
                taken[way].append((time.perf_counter() - began) / BATCH)
    return {way: min(seconds) for way, seconds in taken.items()}


def feature_file(folder: Path, count: int, block: np.ndarray) -> Read:
    path, ids = folder / f"{count}.h5", [f"{number:012}" for number in range(count)]
    with FeatureWriter(path, ids, {"features": (block.shape[1:], "float16")}, META) as writer:
        for start in range(0, count, BLOCK):
            writer.settle(ids[start : start + BLOCK], {"features": block})
    features = open_features(path)
    return lambda batch: features.read([ids[row] for row in batch])


def memmap(folder: Path, count: int, block: np.ndarray) -> Read:
    values = np.lib.format.open_memmap(folder / f"{count}.npy", "w+", np.float16, (count, *block.shape[1:]))
    for start in range(0, count, BLOCK):
        values[start : start + BLOCK] = block
    values.flush()
    reopened = np.load(folder / f"{count}.npy", mmap_mode="r")
    return lambda batch: reopened[np.sort(batch)]


def image_files(folder: Path, count: int, values: np.ndarray) -> Read:
    """Read like VL-Adapter's data loader: one file per image, opened at each read."""
    for row in range(count):
        with h5py.File(folder / f"{row}.image.h5", "w") as file:
            file[f"{row}/features"] = values

    def read(batch: np.ndarray) -> np.ndarray:
        out = np.empty((len(batch), *values.shape), np.float16)
        for place, row in enumerate(batch):
            with h5py.File(folder / f"{row}.image.h5", "r") as file:
                file[f"{row}/features"].read_direct(out[place])
        return out

    return read


if __name__ == "__main__":
    main()
