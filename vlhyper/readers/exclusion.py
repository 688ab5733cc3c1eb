"""Rows left out of a split because their images are those of another one: what is trained on must not be tested on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlhyper.errors import UserError
from vlhyper.readers.fields import FieldError, ident, value
from vlhyper.readers.images import image_number
from vlhyper.readers.manifest import Exclude, Manifest, Numbering, load_manifest
from vlhyper.readers.records import file_records
from vlhyper.readers.streams import read_rows, text_lines

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset


def kept_rows(rows: Dataset, manifest: Manifest, split: str, load: Callable[[Manifest, str], Dataset]) -> np.ndarray:
    """The indices of the rows whose images the split's `exclude` does not name, ascending.

    load: reads the rows of another manifest's split. Raises UserError for files that are malformed, and where no row
    is left.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    strange: set[str] = set()
    for entry in manifest.split(split).exclude:
        strange |= _images(manifest, entry, load)
    column = image_column(rows)
    # A hundred thousand images have millions of rows.
    out = [image for image in column.unique().to_pylist() if image_number(image) in strange]
    kept = np.flatnonzero(~pc.is_in(column, pa.array(out, pa.string())).to_numpy(zero_copy_only=False))
    if not len(kept):
        raise UserError(f"{manifest.name}, split {split}: all rows are left out by `exclude`; does it name this split?")
    return kept


def image_column(rows: Dataset) -> Any:
    """The images of all rows, as Arrow holds them: of millions of rows no Python object is made."""
    return rows.with_format("arrow").select_columns("image")[:]["image"].combine_chunks()


def _images(manifest: Manifest, entry: Exclude, load: Callable[[Manifest, str], Dataset]) -> set[str]:
    """The images that one entry names, by number, as `manifest` numbers them."""
    found = set(map(image_number, _named(manifest, entry, load)))
    if entry.through is None:
        return found
    return set(_renumbered(Path(manifest.root, entry.through.file), entry.through, found))


def _named(manifest: Manifest, entry: Exclude, load: Callable[[Manifest, str], Dataset]) -> Iterator[str]:
    if entry.ids is not None:
        path = Path(manifest.root, entry.ids)
        yield from (line.strip() for _, line in text_lines(path) if line.strip())
    if entry.manifest is not None:
        other = load_manifest(entry.manifest)
        for split in entry.splits:
            yield from image_column(load(other, split)).unique().to_pylist()


def _renumbered(path: Path, numbering: Numbering, theirs: Collection[str]) -> Iterator[str]:
    def shape(record: Any) -> list[str]:
        # Null where the image is in this data set alone.
        if value(record, numbering.other) in (None, ""):
            return []
        mine = ident(record, numbering.id)
        return [image_number(mine)] if image_number(ident(record, numbering.other)) in theirs else []

    def wanted(names: Collection[str]) -> list[str]:
        if lacking := [name for name in (numbering.id, numbering.other) if name not in names]:
            raise FieldError(f"has no column {lacking[0]!r}")
        return [numbering.id, numbering.other]

    return read_rows(path, file_records(path, {}, wanted), shape)
