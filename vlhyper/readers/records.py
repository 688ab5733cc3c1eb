"""Records of tabular files: tab-separated text, JSON lines, JSON lists, parquet files, text folders, hub data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.readers.fields import FieldError
from vlhyper.readers.streams import json_items, json_lines, text_lines

# From the columns there are to those to read; raises FieldError where one is lacking.
Wanted = Callable[[Sequence[str]], list[str]]


def file_records(path: Path, options: Mapping[str, Any], wanted: Wanted) -> Iterator[Any]:
    """The records of one file or folder, by its ending; of parquet files only the `wanted` columns.

    Options of the manifest: `header` and `short_lines` for tsv (what to do with a line of fewer or more cells than the
    header), `labels`, whose keys name the subfolders of a folder.
    """
    if path.is_dir():
        return _folder_records(path, options.get("labels") or {})
    # What gzip packed is read as what it was.
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending == ".parquet":
        return _parquet_records(path, wanted)
    if ending == ".jsonl":
        return json_lines(path)
    if ending == ".json":
        return json_items(path)
    # MRPC's own files, msr_paraphrase_*.txt, are tab-separated too.
    if ending in (".tsv", ".txt"):
        return _tsv_records(path, options.get("header", True), options.get("short_lines", "refuse"))
    raise UserError(f"{path}: a table must be .tsv, .txt, .jsonl, .json, .parquet or a folder of texts")


def _folder_records(path: Path, labels: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A text a file, a subfolder a label, as in aclImdb; `id` is the path below the folder without its ending."""
    for label in labels:
        for file in sorted((path / label).glob("*.txt")):
            yield {
                "id": f"{label}/{file.stem}",
                "text": "\n".join(line for _, line in text_lines(file)),
                "label": label,
            }


def _tsv_records(path: Path, header: bool, short_lines: str) -> Iterator[dict[str | int, str]]:
    """Columns by name, or by number from 0 without a header. GLUE quotes nothing: a quotation mark is a character."""
    names: list[str | int] = []
    for number, line in text_lines(path):
        cells = line.split("\t")
        if header and number == 1:
            names = list(cells)
            continue
        names = names or list(range(len(cells)))
        if len(cells) != len(names):
            if short_lines == "skip" or line == "":
                continue
            raise UserError(
                f"{path}: line {number} has {len(cells)} columns, {len(names)} are expected; mend the line, "
                "or let the manifest say 'short_lines: skip'"
            )
        yield dict(zip(names, cells, strict=True))


def _parquet_records(path: Path, wanted: Wanted) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096, columns=wanted(file.schema_arrow.names)):
                yield from batch.to_pylist()
    except FieldError as error:
        raise UserError(f"{path}: {error}; mend the manifest's fields, or is it another file?") from None
    # A damaged page is an OSError, damaged text in it a UnicodeDecodeError.
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable parquet file: {_first_line(error)}; fetch it again") from None


def hub_records(hub: Mapping[str, Any], wanted: Wanted) -> Iterator[Any]:
    """The wanted columns of a data set of the hub, or of a folder that `datasets` loads like one."""
    from datasets import load_dataset

    where = f"hub data set {hub['id']} (config {hub['config'] or 'default'}, split {hub['split']})"
    try:
        # Streaming fetches the wanted columns alone; the images beside them are tens of gigabytes.
        for part in hub["split"].split("+"):
            found = load_dataset(hub["id"], hub["config"], split=part, revision=hub["revision"], streaming=True)
            held = wanted(found.column_names) if found.column_names else []
            yield from found.select_columns(held) if held else found
    except (OSError, ValueError) as error:
        raise UserError(f"{where} cannot be read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
