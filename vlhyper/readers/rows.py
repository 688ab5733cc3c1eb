"""Rows of a split in Arrow: made once by streaming the files, afterwards mapped into memory."""

from __future__ import annotations

import hashlib
import inspect
import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlhyper.console import progress
from vlhyper.errors import UserError, first_few
from vlhyper.files import cache_folder, replacing, sha256
from vlhyper.readers.exclusion import kept_rows
from vlhyper.readers.fields import Row
from vlhyper.readers.gold import duplicates
from vlhyper.readers.manifest import Manifest
from vlhyper.readers.source import Source, expand
from vlhyper.readers.splits import part_of
from vlhyper.readers.streams import no_collection

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

# Raise it with every change of what a reader yields, so that rows made by an older one are made again.
READER_VERSION = 5
BATCH = 8192


def load_rows(manifest: Manifest, split: str, cache_dir: str | Path | None = None) -> Dataset:
    """The rows of a split, mapped from the Arrow file the first call makes.

    Columns: `id`, `image` (as the annotation names it; empty for text tasks), the text columns of the format,
    `written` where the manifest rounds labels (the label before that), `targets` (list of text) and `weights` (list of
    float of the same length; VQA's soft scores, else 1). Rows without public answers have no targets. A caption row is
    an image with all its wordings.
    The Arrow file is in `cache_dir` (default: the user's cache folder), keyed by the files' identity and the
    reader's version.
    Raises UserError for a missing or malformed file, an empty split, duplicate ids, and another count than the
    manifest's.
    """
    settings = manifest.split(split)
    rows = _of_part(manifest, split, cache_dir)
    if settings.exclude:
        rows = rows.select(_kept(rows, manifest, split, cache_dir))
    if settings.count not in (None, len(rows)):
        said = f"{manifest.name}, split {split}: {len(rows):,} rows, but the manifest says {settings.count:,}"
        raise UserError(f"{said}; is a file incomplete, or of another release? to use a part of it, leave out `count`")
    return rows


def left_out(manifest: Manifest, split: str, kept: int, cache_dir: str | Path | None = None) -> int:
    """How many rows of a split `load_rows` left out because its `exclude` names their images; `kept` stayed."""
    return len(_of_part(manifest, split, cache_dir)) - kept if manifest.split(split).exclude else 0


def _kept(rows: Dataset, manifest: Manifest, split: str, cache_dir: str | Path | None) -> np.ndarray:
    _refuse_missing(manifest, split)
    return kept_rows(rows, manifest, split, lambda other, name: _of_part(other, name, cache_dir))


def _of_part(manifest: Manifest, split: str, cache_dir: str | Path | None) -> Dataset:
    """The rows of a split before any is left out."""
    from datasets import Dataset

    source, settings = manifest.source(split), manifest.split(split)
    path = _arrow_file(Path(cache_dir or cache_folder() / "rows"), manifest, source)
    where = f"{manifest.name}, split {split}"
    rows = _mapped(path)
    if rows is None:
        _refuse_missing(manifest, split)
        # The count is that of the part, while all rows are read.
        expected = settings.count if settings.part is None and not settings.exclude else None
        with progress(f"reading {where}", expected, "rows") as bar:
            _write(path, manifest.layout.read(source), manifest.columns, f"{where} ({_files(manifest, split)})", bar)
        rows = Dataset.from_file(str(path))
    if settings.part is not None:
        rows = rows.select(part_of(rows["id"][:], settings.part, settings.seed, settings.held_out))
    return rows


def _refuse_missing(manifest: Manifest, split: str) -> None:
    if lacking := manifest.missing(split):
        more = f" (and {len(lacking) - 1} more)" if lacking[1:] else ""
        raise UserError(f"{manifest.name}, split {split}: {lacking[0]}{more}")


def _mapped(path: Path) -> Dataset | None:
    """Rows that were made before; None where there are none, or the file was damaged since."""
    import pyarrow as pa
    from datasets import Dataset

    try:
        return Dataset.from_file(str(path)) if path.is_file() else None
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None


def _arrow_file(folder: Path, manifest: Manifest, source: Source) -> Path:
    """Its name tells what was read (paths and options), then in which state (sizes, times of change, reader)."""
    paths = {role: list(map(str, given)) for role, given in source.files.items()}
    state = [READER_VERSION, _reader(manifest), [_identity(path) for path in [*source.all_paths, *_hub_files(source)]]]
    what = [manifest.format, source.options, source.hides, paths]
    if manifest.columns != manifest.texts:
        what.append(manifest.columns)
    return folder / f"{manifest.name}-{_digest(what)}-{_digest(state)}.arrow"


def _reader(manifest: Manifest) -> str:
    """What changes when a reader from outside the package changes; ours have READER_VERSION."""
    read = manifest.layout.read
    file = None if read.__module__.startswith("vlhyper.") else inspect.getsourcefile(read)
    return sha256(file) if file is not None else ""


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _identity(path: Path) -> list[Any]:
    """What changes when a file, the chunks of a folder or the files of a pattern change."""
    found = sorted(path.iterdir()) if path.is_dir() else expand(path)
    facts = [(str(file), file.stat()) for file in found]
    # The time of the last change of any kind: `cp -p` and `rsync -t` put the old time of writing on new content.
    return [[name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for name, stat in facts]


def _hub_files(source: Source) -> list[Path]:
    """The files of a hub data set whose id is a folder; of any other its id and revision tell what was read."""
    hub = source.options.get("hub")
    return sorted(path for path in Path(hub["id"]).rglob("*") if path.is_file()) if hub else []


def _files(manifest: Manifest, split: str) -> str:
    """What an error of a whole split calls its files."""
    settings = manifest.split(split)
    written = [path for paths in settings.files.values() for path in paths]
    return first_few([Path(manifest.root, path) for path in written]) or f"the hub's {settings.hub and settings.hub.id}"


def _write(
    path: Path, rows: Iterator[Row], columns: tuple[str, ...], where: str, report: Callable[[int], object]
) -> None:
    """Stream rows into an Arrow file. What is held at a time is one batch and eight bytes an id."""
    import pyarrow as pa

    schema = pa.schema(
        [(name, pa.string()) for name in ("id", "image", *columns)]
        + [("targets", pa.list_(pa.string())), ("weights", pa.list_(pa.float64()))]
    )
    hashes = array("q")
    with replacing(path) as part:
        with (
            pa.OSFile(str(part), "wb") as file,
            pa.ipc.new_stream(file, schema) as out,
            no_collection(),
        ):
            while batch := list(islice(rows, BATCH)):
                hashes.extend(hash(row["id"]) for row in batch)
                out.write_batch(_encoded(batch, schema, where))
                report(len(batch))
        if not hashes:
            raise UserError(f"{where}: the files have no row of this split; do they belong to it?")
        _refuse_doubles(part, hashes, where)
    # Rows of an earlier state of the same files are of no more use; a process that has them mapped keeps them.
    for stale in set(path.parent.glob(f"{path.stem.rpartition('-')[0]}-*.arrow")) - {path}:
        stale.unlink(missing_ok=True)


def _encoded(batch: list[Row], schema: pa.Schema, where: str) -> pa.RecordBatch:
    import pyarrow as pa

    try:
        # Column by column: RecordBatch.from_pylist takes five times as long.
        columns = [pa.array([row[field.name] for row in batch], field.type) for field in schema]
        return pa.record_batch(columns, schema=schema)
    except UnicodeEncodeError as error:
        # JSON can spell half a surrogate pair, which no UTF-8 file can hold.
        row = next(row for row in batch if _broken(row))
        raise UserError(
            f"{where}: id {row['id']!r} holds a text with half a character ({error.reason}); write it whole"
        ) from None


def _broken(row: Row) -> bool:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode() != json.dumps(
        row, ensure_ascii=False
    )


def _refuse_doubles(path: Path, hashes: array[int], where: str) -> None:
    """Raises UserError that names duplicate ids. 14 million ids as text fill a GB, hashes do not."""
    ordered = np.frombuffer(hashes, dtype=np.int64)
    ordered.sort()
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not suspects:
        return
    seen: set[str] = set()
    doubles: dict[str, None] = {}
    for id in _ids(path):
        if id in seen:
            doubles[id] = None
        elif hash(id) in suspects:
            seen.add(id)
    if doubles:
        raise UserError(duplicates(list(doubles), where))


def _ids(path: Path) -> Iterable[str]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield from batch.column("id").to_pylist()
