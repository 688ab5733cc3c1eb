"""The cost of other storage formats for features: bytes, reading time, error.

    python benchmarks/features_storage.py [FEATURES.h5] [--rounded OUT.h5]
    python benchmarks/features_storage.py demo/features.h5 --demo demo

FEATURES.h5: made with --store float32, so that the error of float16 is measured too; without it features of the
miniature world are extracted. --rounded writes the values after
rounding to int8 into an ordinary feature file, for training and evaluation. --demo does both with the folder of a
finished `vlhyper demo`: it shows the scores of its model, on rounded features, and trained again on rounded features.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from vlhyper.features import FeatureSet, FeatureWriter, open_features
from vlhyper.show.tables import print_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path, nargs="?", metavar="FEATURES.h5")
    parser.add_argument("--rounded", type=Path)
    parser.add_argument("--demo", type=Path, help="folder of a finished demo")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(open_features(options.features or world_features(Path(folder))), options)


def world_features(folder: Path) -> Path:
    """Features of a hundred pictures of the miniature world, by its CLIP."""
    from vlhyper.world import tiny
    from vlhyper.world.build import draw_pictures, scenes_of

    draw_pictures(scenes_of(0, {"train": 100})["train"], folder / "images", "train")
    command = [sys.executable, "-m", "vlhyper", "extract", folder / "images", "--out", folder / "f.h5"]
    encoder = ["--encoder", tiny() / "clip.json", "--weights", tiny() / "clip.safetensors"]
    subprocess.run([*command, *encoder, "--store", "float32"], check=True)
    return folder / "f.h5"


def compare(features: FeatureSet, options: argparse.Namespace) -> None:
    values = features.read(features.ids).astype(np.float32)
    scales = np.abs(values).max((0, 1)) / 127 + 1e-12
    steps = np.rint(values / scales).astype(np.int8)
    compressed = dict(hdf5plugin.Bitshuffle(cname="zstd"))
    ways = {
        "float32": (values, {}, None),
        "float16": (values.astype(np.float16), {}, None),
        "float16 bitshuffle+zstd": (values.astype(np.float16), compressed, None),
        "int8, scale a channel": (steps, {}, scales),
        "int8 bitshuffle+zstd": (steps, compressed, scales),
    }
    rows = []
    for name, (stored, storage, scale) in ways.items():
        size, seconds = measure(stored, storage, scale)
        back = stored.astype(np.float32) * (1 if scale is None else scale)
        error = np.abs(back - values)
        spread = values.std()
        rows.append((name, size / 1024, 1e6 * seconds, f"{error.max() / spread:.1e}", f"{error.mean() / spread:.1e}"))
    title = f"{len(features)} images, {np.mean(values == 0):.0%} of the values zero"
    print_table(("stored as", "KiB an image", "µs to read a row", "largest error / deviation", "mean"), rows, title)
    if options.rounded:
        write_rounded(options.rounded, features, steps * scales)
    if options.demo:
        with tempfile.TemporaryDirectory() as folder:
            rounded = Path(folder, "rounded.h5")
            write_rounded(rounded, features, steps * scales)
            show_scores(options.demo, rounded, Path(folder))


def write_rounded(path: Path, features: FeatureSet, values: np.ndarray) -> None:
    arrays = {"features": ((features.tokens, features.width), "float16")}
    with FeatureWriter(path, features.ids, arrays, features.meta) as writer:
        writer.settle(features.ids[writer.done :], {"features": values[writer.done :].astype(np.float16)})


def show_scores(demo: Path, rounded: Path, folder: Path) -> None:
    """One row per metric of the demo's test split: as trained, evaluated on rounded features, trained on them too."""
    import yaml

    from vlhyper.files import read_json
    from vlhyper.run.evaluate import evaluate_run

    # The resolved config: its paths are absolute.
    config = yaml.safe_load((demo / "model" / "config.yaml").read_text())
    config["features"]["files"] = [str(rounded)]
    shutil.copytree(demo / "model", folder / "evaluated")
    (folder / "evaluated" / "config.yaml").write_text(yaml.safe_dump(config))
    # With the threads and settings of the demo, so that only the features differ.
    train = [
        sys.executable,
        "-m",
        "vlhyper",
        "train",
        folder / "evaluated" / "config.yaml",
        "--out",
        folder / "trained",
    ]
    subprocess.run(train, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    scores = [read_json(demo / "model" / "scores.json")["test"]]
    for run in ("evaluated", "trained"):
        reports = evaluate_run(folder / run, "test", caption_metrics="bleu,cider")
        scores.append({name: report.to_json() for name, report in reports.items()})
    rows = [
        (task, metric, *(score[task]["metrics"][metric] for score in scores))
        for task, report in scores[0].items()
        for metric, value in report["metrics"].items()
        if isinstance(value, float)
    ]
    columns = ("task", "metric", "float16", "evaluated on int8", "trained and evaluated on int8")
    print_table(columns, rows, "the demo's scores on new images")


def measure(stored: np.ndarray, storage: dict[str, object], scale: np.ndarray | None) -> tuple[float, float]:
    """(bytes per image on the disk, seconds to read a random row as a model needs it)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.h5")
        with h5py.File(path, "w") as file:
            file.create_dataset("features", data=stored, chunks=(1, *stored.shape[1:]), **storage)
        with h5py.File(path) as file:
            data = file["features"]
            size = data.id.get_storage_size() / len(stored)
            order = np.random.default_rng(0).permutation(len(stored))
            best = []
            for _ in range(3):
                began = time.perf_counter()
                for row in order:
                    value = data[row]
                    if scale is not None:
                        value = value * scale.astype(np.float32)
                best.append((time.perf_counter() - began) / len(order))
    return size, min(best)


if __name__ == "__main__":
    main()
