"""Records of tabular files: tab-separated text, JSON lines, JSON lists, parquet files, text folders, hub data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.readers.streams import json_items, json_lines, text_lines


def file_records(path: Path, options: Mapping[str, Any], columns: list[str | int]) -> Iterator[Any]:
    """The records of one file or folder, by its ending; of parquet files only the wanted columns.

    Options of the manifest: `header` and `short_lines` for tsv, `labels`, whose keys name the subfolders of a folder.
    """
    if path.is_dir():
        return _folder_records(path, options.get("labels") or {})
    # What gzip packed is read as what it was.
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending == ".parquet":
        return _parquet_records(path, columns)
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
        if len(cells) < len(names):
            if short_lines == "skip" or line == "":
                continue
            raise UserError(f"{path}: line {number} has {len(cells)} columns, {len(names)} are expected")
        yield dict(zip(names, cells, strict=False))


def _parquet_records(path: Path, columns: Iterable[str | int]) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            held = [name for name in file.schema_arrow.names if name in set(columns)]
            for batch in file.iter_batches(batch_size=4096, columns=held):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise UserError(f"{path}: not a readable parquet file: {str(error).splitlines()[0]}") from None


def hub_records(hub: Mapping[str, Any], columns: Iterable[str | int]) -> Iterator[Any]:
    """The wanted columns of a data set of the hub, or of a folder that `datasets` loads like one."""
    from datasets import load_dataset

    where = f"hub data set {hub['id']} (config {hub['config'] or 'default'}, split {hub['split']})"
    try:
        # Streaming fetches the wanted columns alone; the images beside them are tens of gigabytes.
        for part in hub["split"].split("+"):
            found = load_dataset(hub["id"], hub["config"], split=part, revision=hub["revision"], streaming=True)
            held = [name for name in found.column_names or [] if name in set(columns)]
            yield from found.select_columns(held) if held else found
    except (OSError, ValueError) as error:
        raise UserError(f"{where} cannot be read: {str(error).splitlines()[0] or type(error).__name__}") from None
