"""Import the feature files of other projects; every value is checked against its source.

Both layouts have a group per image, named by its id, with `features` (tokens, width) and optionally `boxes`
(tokens, 4), `img_w` and `img_h`. VL-T5 has all groups in one .h5 file, VL-Adapter a folder of .h5 files with one group.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vlhyper import __version__
from vlhyper.console import progress, say
from vlhyper.errors import JobError, UserError
from vlhyper.features.inspection import broken_rows
from vlhyper.features.layout import Shapes
from vlhyper.features.raw_rows import open_hdf5
from vlhyper.features.reader import FeatureSet, open_features
from vlhyper.features.writer import FeatureWriter, Skip
from vlhyper.files import hidden

BLOCK = 64
SAMPLE = 64
# A group of a file: where an image's features are.
Source = tuple[Path, str]
Record = dict[str, np.ndarray]


def import_features(source: Path, out: Path, encoder: str | None = None, store: str = "float16") -> FeatureSet:
    """Write `out` from a VL-Adapter folder or a VL-T5 file; run again to continue an interrupted import.

    encoder: what made the features; the files do not record it, only VL-Adapter's folder names do. Images whose file or
    group is damaged are listed as skipped. Raises UserError where nothing can be imported, JobError where `out` differs
    from the source.
    """
    if out.exists():
        raise UserError(f"{out}: already exists; choose another --out, or delete the file first")
    sources = find_sources(source)
    shapes = _shapes(sources, store)
    planned = [name for _, name in sources]
    with (
        FeatureWriter(out, planned, shapes, _provenance(source, encoder)) as writer,
        progress("import", len(planned), "images", start=writer.done) as bar,
    ):
        for start in range(writer.done, len(sources), BLOCK):
            block = sources[start : start + BLOCK]
            _settle(writer, list(zip(block, _records(block, shapes), strict=True)))
            bar(len(block))
    imported = open_features(out)
    # The checksums are of the values as they were read, so this compares the finished file with the source.
    if broken := broken_rows(imported):
        raise JobError(
            f"{out}: {len(broken)} rows differ from {source}, first {broken[0]!r}; check the disk and import again"
        )
    return imported


def find_sources(source: Path) -> list[Source]:
    """The file and group of each image. Raises UserError for a source without features, and for two equal ids."""
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    if not source.is_dir():
        with open_hdf5(source) as file:
            sources = [(source, name) for name in file if file.get(name, getclass=True) is h5py.Group]
    else:
        sources = [(path, path.stem) for path in sorted(source.rglob("*.h5")) if not hidden(path, source)]
    if not sources:
        raise UserError(
            f"{source}: no features of VL-Adapter (a folder of .h5 files) or VL-T5 (one .h5 file, a group per image)"
        )
    first: dict[str, Path] = {}
    for path, name in sources:
        if first.setdefault(name, path) != path:
            raise UserError(
                f"{first[name]} and {path} would have the same id {name!r}; import their folders into separate files"
            )
    return sources


def _records(sources: Sequence[Source], shapes: Shapes | None) -> Iterator[Record | str]:
    """The arrays of each image, or why they cannot be read; images next to each other share one opened file."""
    for path, group in groupby(sources, key=lambda source: source[0]):
        names = [name for _, name in group]
        try:
            with open_hdf5(path) as file:
                yield from [_record(file, name, shapes) for name in names]
        except UserError:
            yield from ["not a complete HDF5 file"] * len(names)


def _record(file: h5py.File, name: str, shapes: Shapes | None) -> Record | str:
    try:
        record = _arrays(file[name])
    # h5py raises many kinds of errors for damaged files.
    except (KeyError, OSError, RuntimeError, ValueError, TypeError) as error:
        return f"cannot be read ({' '.join(str(error).split())})"
    for key, (shape, _) in (shapes or {}).items():
        if key not in record or record[key].shape != shape:
            found = record[key].shape if key in record else "missing"
            return f"{key} has shape {found}, most images have {shape}"
    return record if np.isfinite(record["features"]).all() else "contains an infinity or NaN"


def _arrays(group: h5py.Group) -> Record:
    found = {"features": group["features"][()]}
    if found["features"].ndim != 2:
        raise ValueError(f"features of shape {found['features'].shape} are not (tokens, width)")
    if "boxes" in group:
        found["boxes"] = group["boxes"][()]
    if "img_w" in group and "img_h" in group:
        found["sizes"] = np.array([group["img_w"][()], group["img_h"][()]])
    return found


def _shapes(sources: Sequence[Source], store: str) -> Shapes:
    """The most common shapes in an evenly spaced sample; all imported images must have them."""
    sample = sources[:: max(1, len(sources) // SAMPLE)]
    found = Counter(_shape_of(record, store) for record in _records(sample, None) if not isinstance(record, str))
    if not found:
        # The sample may contain only damaged images.
        whole = (record for record in _records(sources, None) if not isinstance(record, str))
        found.update(_shape_of(record, store) for record in islice(whole, 1))
    if not found:
        why = next(record for record in _records(sources, None) if isinstance(record, str))
        raise UserError(f"{sources[0][0]}: none of the {len(sources)} images has features; first image: {why}")
    return dict(found.most_common(1)[0][0])


def _shape_of(record: Record, store: str) -> tuple[tuple[str, tuple[tuple[int, ...], str]], ...]:
    return tuple((key, (value.shape, store if key == "features" else "float32")) for key, value in record.items())


def _settle(writer: FeatureWriter, block: Sequence[tuple[Source, Record | str]]) -> None:
    good = [(name, record) for (_, name), record in block if not isinstance(record, str)]
    skipped = [Skip(f"{path}:{name}", record) for (path, name), record in block if isinstance(record, str)]
    for skip in skipped:
        say(f"skipped {skip.image}: {skip.why}")
    # A value beyond float16 becomes infinite here; the writer refuses it and names the image.
    with np.errstate(over="ignore"):
        rows = {
            key: np.array([record[key] for _, record in good], dtype).reshape(len(good), *shape)
            for key, (shape, dtype) in writer.arrays.items()
        }
    writer.settle([name for name, _ in good], rows, skipped)


def _provenance(source: Path, encoder: str | None) -> Mapping[str, Any]:
    """The attributes for features whose files do not record how they were made."""
    in_name = re.search(r"data_clip_(\w+)_att", str(source.absolute()))
    layout = "VL-Adapter" if source.is_dir() else "VL-T5"
    return {
        "encoder": encoder or (in_name.group(1) if in_name else "unknown"),
        "weights_sha256": "unknown",
        "preprocessing": {"imported_from": layout},
        "created_with": {"vlhyper": __version__, "h5py": h5py.__version__},
        "precision": "unknown",
    }
