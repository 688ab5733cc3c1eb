"""Import the feature files of other projects; every value is checked against its source."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vlhyper.console import progress, say
from vlhyper.errors import JobError, UserError
from vlhyper.features.apart import Crash, apart
from vlhyper.features.foreign import Layout, Record, Source, find_sources
from vlhyper.features.hdf5 import FAULTS, said
from vlhyper.features.inspection import broken_rows
from vlhyper.features.layout import Shapes
from vlhyper.features.reader import FeatureSet, is_usable, open_features
from vlhyper.features.writer import FeatureWriter, Skip

BLOCK = 64
SAMPLE = 64
# What is said of an image whose numbers are none.
FAULT = {
    "features": "contains an infinity or NaN",
    "boxes": "its boxes contain an infinity or NaN",
    "sizes": "its width or height is no positive number",
}


def import_features(source: Path, out: Path, encoder: str | None = None, store: str = "float16") -> FeatureSet:
    """Write `out` from a folder or file of another project (see `foreign`); run again to continue.

    encoder: what made the features; the files do not record it, only VL-Adapter's folder names do. Images whose file or
    group is damaged are listed as skipped. Raises UserError where nothing can be imported, JobError where `out` differs
    from the source.
    """
    if out.exists():
        raise UserError(f"{out}: already exists; choose another --out, or delete the file first")
    layout, sources = find_sources(source)
    sources, nameless = _named(sources)
    _tell(nameless)
    shapes = _shapes(layout, sources, store)
    planned = [each.image for each in sources]
    with (
        FeatureWriter(out, planned, shapes, _provenance(source, layout, encoder), nameless) as writer,
        progress("import", len(planned), "images", start=writer.done) as bar,
    ):
        for start in range(writer.done, len(sources), BLOCK):
            block = sources[start : start + BLOCK]
            _settle(writer, list(zip(block, _records(layout, block, shapes), strict=True)))
            bar(len(block))
    imported = open_features(out)
    # The checksums are of the values as they were read, so this compares the finished file with the source.
    if broken := broken_rows(imported):
        raise JobError(
            f"{out}: {len(broken)} rows differ from {source}, first {broken[0]!r}; check the disk and import again"
        )
    return imported


def _named(sources: Sequence[Source]) -> tuple[list[Source], list[Skip]]:
    """The images whose names can be ids, and the others."""
    odd = [source for source in sources if not _is_id(source.image)]
    good = [source for source in sources if _is_id(source.image)] if odd else list(sources)
    return good, [Skip(f"{source.path}:{source.image}", "its name is empty or no UTF-8") for source in odd]


def _is_id(name: str) -> bool:
    # What the system or HDF5 gave as no UTF-8 has halves of surrogate pairs.
    return bool(name) and not any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in name)


def _records(layout: Layout, sources: Sequence[Source], shapes: Shapes | None) -> Iterator[Record | str]:
    """The arrays of each image, or why they cannot be read; also where a damaged file crashes what reads it."""
    done = 0
    while done < len(sources):
        try:
            for record in apart(partial(_read, layout, sources[done:], shapes)):
                yield record
                done += 1
        except Crash as crash:
            yield f"cannot be read ({crash})"
            done += 1


def _read(layout: Layout, sources: Sequence[Source], shapes: Shapes | None) -> Iterator[Record | str]:
    """The arrays of each image, or why they cannot be read; images next to each other share one opened file."""
    for path, group in groupby(sources, key=lambda source: source.path):
        members = list(group)
        done = 0
        try:
            with layout.opened(path) as read:
                for source in members:
                    done += 1
                    yield _record(read, source, shapes)
        except UserError as error:
            # The file itself: all of its images.
            yield from [_why(error, path)] * (len(members) - done)
        # numpy raises many kinds of errors for damaged files.
        except (*FAULTS, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
            yield from [f"cannot be read ({said(error)})"] * (len(members) - done)


def _why(error: UserError, path: Path) -> str:
    """What an error says of a file, without the cure."""
    return str(error).removeprefix(f"{path}: ").split(" (")[0].split(";")[0]


def _record(read: Callable[[Source], Record], source: Source, shapes: Shapes | None) -> Record | str:
    try:
        record = read(source)
    except UserError as error:
        return _why(error, source.path)
    # h5py raises many kinds of errors for damaged files.
    except (*FAULTS, EOFError, zlib.error) as error:
        return f"cannot be read ({said(error)})"
    for key, (shape, _) in (shapes or {}).items():
        if key not in record or record[key].shape != shape:
            found = record[key].shape if key in record else "missing"
            return f"{key} has shape {found}, most images have {shape}"
    broken = [key for key, values in record.items() if not is_usable(key, values)]
    return FAULT[broken[0]] if broken else record


def _shapes(layout: Layout, sources: Sequence[Source], store: str) -> Shapes:
    """The most common shapes in an evenly spaced sample; all imported images must have them."""
    sample = sources[:: max(1, len(sources) // SAMPLE)]
    found = Counter(
        _shape_of(record, store) for record in _records(layout, sample, None) if not isinstance(record, str)
    )
    if not found:
        # The sample may contain only damaged images.
        whole = (record for record in _records(layout, sources, None) if not isinstance(record, str))
        found.update(_shape_of(record, store) for record in islice(whole, 1))
    if not found:
        why = next(record for record in _records(layout, sources, None) if isinstance(record, str))
        raise UserError(f"{sources[0][0]}: none of the {len(sources)} images has features; first image: {why}")
    return dict(found.most_common(1)[0][0])


def _shape_of(record: Record, store: str) -> tuple[tuple[str, tuple[tuple[int, ...], str]], ...]:
    return tuple((key, (value.shape, store if key == "features" else "float32")) for key, value in record.items())


def _settle(writer: FeatureWriter, block: Sequence[tuple[Source, Record | str]]) -> None:
    good = [(source.image, record) for source, record in block if not isinstance(record, str)]
    skipped = [Skip(f"{source.path}:{source.image}", record) for source, record in block if isinstance(record, str)]
    _tell(skipped)
    # A value beyond float16 becomes infinite here; the writer refuses it and names the image.
    with np.errstate(over="ignore"):
        rows = {
            key: np.array([record[key] for _, record in good], dtype).reshape(len(good), *shape)
            for key, (shape, dtype) in writer.arrays.items()
        }
    writer.settle([name for name, _ in good], rows, skipped)


def _tell(skipped: Sequence[Skip]) -> None:
    for skip in skipped:
        say(f"skipped {skip.image if skip.image.isprintable() else repr(skip.image)}: {skip.why}")


def _provenance(source: Path, layout: Layout, encoder: str | None) -> Mapping[str, Any]:
    """The attributes for features whose files do not record how they were made."""
    in_name = re.search(r"data_clip_(\w+)_att", str(source.absolute()))
    return {
        "encoder": encoder or (in_name.group(1) if in_name else "unknown"),
        "weights_sha256": "unknown",
        "preprocessing": {"imported_from": layout.title},
        "created_with": {"vlhyper": version("vlhyper"), "h5py": h5py.__version__},
        "precision": "unknown",
    }
