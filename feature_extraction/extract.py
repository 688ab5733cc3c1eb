"""Write the grids of images into a feature file, in fixed batches, so that an interrupted run can continue."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feature_extraction.encoder import Encoder
from feature_extraction.images import MOST_PIXELS
from feature_extraction.pixels import decoded_batches
from vlhyper.console import Bar, progress, say
from vlhyper.features import FeatureWriter, Skip, open_features
from vlhyper.features.layout import IDENTITY, require_same
from vlhyper.features.merge import copy_rows
from vlhyper.features.writer import read_skipped, skipped_path

LIBRARIES = ("vlhyper", "torch", "open_clip_torch", "timm", "pillow", "numpy", "h5py")
# Id and file of an image.
Item = tuple[str, Path]
Grids = Generator[tuple[torch.Tensor, list[str | None]], None, None]


def extract(
    encoder: Encoder,
    images: dict[str, Path],
    out: Path,
    store: str,
    batch_size: int,
    workers: int,
    most_pixels: int = MOST_PIXELS,
) -> list[Skip]:
    """Write the grids of `images` (by id) into `out`; return the images that could not be read.

    The part file of an interrupted run is completed; to a finished `out` the missing images are appended.
    Raises UserError where the existing file was made with another encoder or other options.
    """
    meta, shape = describe(encoder), encoder.shape()
    kept = open_features(out) if out.exists() else None
    if kept:
        ours = {**meta, "store": store, "shape": shape}
        theirs = {**kept.meta, "store": str(kept.dtype), "shape": (kept.tokens, kept.width)}
        require_same(str(out), theirs, "this run", ours, (*IDENTITY, "precision", "store", "shape"))
    old = kept.ids if kept else []
    earlier = {Path(skip.image).stem: skip for skip in read_skipped(out)} if kept else {}
    new = {image: path for image, path in images.items() if not kept or image not in kept}
    if kept and new.keys() <= earlier.keys():
        say(f"{out}: nothing to do, it has all {len(old)} images; {_listed(out, list(earlier.values()))}")
        return [earlier[image] for image in new]
    carried = [skip for image, skip in earlier.items() if image not in new]
    with (
        FeatureWriter(out, [*old, *new], {"features": (shape, store)}, meta, carried, batch_size) as writer,
        progress("extract", writer.count, "images", start=writer.done) as bar,
    ):
        for count in copy_rows(writer, kept) if kept else ():
            bar(count)
        todo = list(new.items())[writer.done - len(old) :]
        on = f"on {encoder.device} in {encoder.precision}"
        say(f"{out}: {len(todo)} images to read, {on}, {workers} decoding processes")
        batches = _grids(encoder, todo, batch_size, workers, most_pixels)
        _write(batches, todo, writer, getattr(torch, store), batch_size, bar)
    say(f"{out}: {len(writer.state.ids)} images of {shape[0]} x {shape[1]}; {_listed(out, writer.state.skipped)}")
    return writer.state.skipped[len(carried) :]


def _listed(out: Path, skipped: Sequence[Skip]) -> str:
    return f"{len(skipped)} skipped, listed with the reasons in {skipped_path(out)}" if skipped else "none skipped"


def describe(encoder: Encoder) -> dict[str, Any]:
    """The attributes of a feature file with grids of `encoder`."""
    return {
        "encoder": encoder.name,
        "weights_sha256": encoder.weights_sha256,
        "preprocessing": encoder.preprocessing.record(),
        "created_with": {library: importlib.metadata.version(library) for library in LIBRARIES},
        "precision": encoder.precision,
        "encoder_files": dict(encoder.files),
    }


def _write(
    batches: Grids, todo: Sequence[Item], writer: FeatureWriter, dtype: torch.dtype, batch_size: int, bar: Bar
) -> None:
    with closing(batches):
        for start, (grids, whys) in enumerate(batches):
            items = todo[start * batch_size : (start + 1) * batch_size]
            good = [index for index, why in enumerate(whys) if why is None]
            skipped = [Skip(str(path), why) for (_, path), why in zip(items, whys, strict=True) if why]
            for skip in skipped:
                say(f"skipped {skip.image if skip.image.isprintable() else repr(skip.image)}: {skip.why}")
            rows = grids[good].to(dtype).cpu().numpy()
            writer.settle([items[index][0] for index in good], {"features": rows}, skipped)
            bar(len(items))


def _grids(encoder: Encoder, todo: Sequence[Item], batch_size: int, workers: int, most_pixels: int) -> Grids:
    """The grids of each batch, and for each image why it was skipped (None: it was not).

    Every batch has `batch_size` rows: a short batch is filled with zeros, and so is the row of an unreadable image. The
    order of additions in the kernels depends on the shape, so a row would otherwise depend on its neighbours.
    """
    size, filter_name = encoder.preprocessing.size, encoder.preprocessing.interpolation
    ahead: tuple[torch.Tensor, list[str | None]] | None = None
    paths = [path for _, path in todo]
    with closing(decoded_batches(paths, batch_size, size, filter_name, workers, most_pixels)) as batches:
        for pixels, whys in batches:
            full = np.zeros((batch_size, *pixels.shape[1:]), np.uint8)
            full[: len(pixels)] = pixels
            # A GPU computes this batch while the previous one is written.
            begun = encoder(full), whys
            if ahead:
                yield ahead
            ahead = begun
    if ahead:
        yield ahead
