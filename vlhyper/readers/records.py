"""Records of tables: tab- or comma-separated text, JSON lines and lists, parquet files, text folders, hub data sets."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError, first_few
from vlhyper.files import MOST_BYTES, existing_file
from vlhyper.readers.fields import FieldError
from vlhyper.readers.opening import MOST_GROWTH, TooLarge, first_character, folder_files, head_keys
from vlhyper.readers.streams import json_items, json_lines, text_lines

# Python's own limit of a cell, which a quotation mark that is not closed soon passes.
MOST_LETTERS = 1 << 17
# From the columns there are to those to read; raises FieldError where one is missing.
Wanted = Callable[[Sequence[str]], list[str]]


def file_records(path: Path, options: Mapping[str, Any], wanted: Wanted) -> Iterator[Any]:
    """The records of one file or folder, by its ending; of parquet files only the `wanted` columns.

    Options: `header` and `short_lines` for tsv and csv (what to do with a line of fewer or more cells than the header),
    `labels`, whose keys name the subfolders of a folder. Where `header` is None, a first line that has none of the
    wanted columns is a row.
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
        return json_items(path, strict=True)
    # MRPC's own files, msr_paraphrase_*.txt, are tab-separated too.
    if ending in (".tsv", ".txt", ".csv"):
        lines = _csv_lines(path) if ending == ".csv" else _tsv_lines(path)
        if options.get("quoted") and ending == ".tsv":
            # Such tables hold pictures.
            lines = cells_of(path, (line + "\n" for _, line in text_lines(path)), "\t", MOST_BYTES)
        return _cell_records(path, lines, options, wanted)
    raise UserError(f"{path}: a table must be .tsv, .txt, .csv, .jsonl, .json, .parquet or a folder of texts")


def any_records(path: Path, lists: Sequence[str], columns: Sequence[str]) -> Iterator[Any]:
    """The records of one file, by its content: a JSON list, an object with such a list, JSON lines, or a table.

    Args:
        lists: the keys under which an object may have the list.
        columns: of a parquet file the columns that are read.
    """
    first = first_character(path)
    if first == "[":
        return json_items(path, strict=True)
    if first == "{":
        under = next((key for key in lists if key in head_keys(path)), None)
        if under is None and is_json_lines(path):
            return json_lines(path)
        return json_items(path, under or lists[0], strict=True)
    # pandas writes a tsv with quotation marks where a text needs them, and VLMEvalKit's have its index.
    options = {"quoted": "index" in _header(path)}
    return file_records(path, options, lambda names: [name for name in names if name in columns])


def _header(path: Path) -> list[str]:
    if path.name.removesuffix(".gz").endswith(".tsv"):
        return next((line.split("\t") for _, line in text_lines(path)), [])
    return []


def is_json_lines(path: Path) -> bool:
    """Whether a file that begins with an object has one on every line."""
    lines = (line for _, line in text_lines(path) if line.strip())
    try:
        alone = isinstance(json.loads(next(lines)), dict)
    except (StopIteration, ValueError, RecursionError):
        return False
    return alone and (path.name.removesuffix(".gz").endswith(".jsonl") or next(lines, "").lstrip().startswith("{"))


def listed(cell: Any) -> Any:
    """The list that a cell of a table holds as text, as JSON or as Python writes it; anything else as it is."""
    if not isinstance(cell, str) or not cell.lstrip().startswith("["):
        return cell
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list):
            return found
    return cell


def _folder_records(path: Path, labels: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A text a file, a subfolder a label, as in aclImdb; `id` is the path below the folder without its ending."""
    folders = [label for label in labels if (path / label).is_dir()]
    if not folders:
        wanted = f" (such as {first_few(labels)})" if labels else ""
        raise UserError(f"{path}: this is a folder without a subfolder for each label{wanted}; give a file")
    for label in folders:
        for file in folder_files(path / label, "*.txt"):
            yield {
                "id": f"{label}/{file.stem}",
                "text": "\n".join(line for _, line in text_lines(file)),
                "label": label,
            }


def _tsv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines and their numbers. GLUE quotes nothing: a quotation mark is a character."""
    return ((number, line.split("\t")) for number, line in text_lines(path))


def _csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    lines = (line + "\n" for _, line in text_lines(path))
    head = next(lines, "")
    # Where the comma is the decimal sign, spreadsheets write semicolons.
    yield from cells_of(path, chain([head], lines), ";" if ";" in head and "," not in head else ",")


def cells_of(
    path: Path, lines: Iterable[str], mark: str, largest: int = MOST_LETTERS
) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row of a csv; a cell of more letters than the `largest` is refused."""
    csv.field_size_limit(largest)
    # A quotation mark that is not closed would swallow the rows behind it.
    rows = csv.reader(lines, delimiter=mark, strict=True)
    try:
        for cells in rows:
            yield rows.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path}: line {rows.line_num}: {error}; save the table as a plain csv file") from None


def _cell_records(
    path: Path, lines: Iterator[tuple[int, list[str]]], options: Mapping[str, Any], wanted: Wanted
) -> Iterator[dict[str | int, str]]:
    """Columns by name, or by number from 0 without a header."""
    header, short_lines = options.get("header", True), options.get("short_lines", "refuse")
    names: list[str | int] = []
    for number, cells in lines:
        if number == 1 and (_has_any(cells, wanted) if header is None else header):
            names = list(cells)
            continue
        names = names or list(range(len(cells)))
        if len(cells) != len(names):
            if short_lines == "skip" or cells in ([""], []):
                continue
            raise UserError(
                f"{path}: line {number} has {len(cells)} columns, {len(names)} are expected; correct the line, "
                "or let the manifest say 'short_lines: skip'"
            )
        yield dict(zip(names, cells, strict=True))


def _has_any(cells: list[str], wanted: Wanted) -> bool:
    """Whether a line has a name of a wanted column."""
    try:
        return bool(wanted(cells))
    except FieldError:
        return False


def _parquet_records(path: Path, wanted: Wanted) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(existing_file(path)) as file:
            names = wanted(file.schema_arrow.names)
            packed = _once_written(file.metadata)
        # What is written once and meant a million times stays so until its size is known.
        with pq.ParquetFile(path, read_dictionary=packed) as file:
            size, most = 0, max(MOST_BYTES, MOST_GROWTH * path.stat().st_size)
            _refuse_growth(sum(_unpacked(file.metadata, names)), most)
            for batch in file.iter_batches(batch_size=4096, columns=names):
                size += sum(map(_size, batch.columns))
                _refuse_growth(size, most)
                yield from batch.to_pylist()
    except FieldError as error:
        raise UserError(f"{path}: {error}; correct the manifest's fields, or is this the wrong file?") from None
    except TooLarge as error:
        raise UserError(f"{path}: {error}") from None
    # A damaged page is an OSError, damaged text in it a UnicodeDecodeError.
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        raise UserError(f"{path}: not a readable parquet file: {_first_line(error)}; fetch it again") from None


def _refuse_growth(size: int, most: int) -> None:
    if size > most:
        raise TooLarge("what is packed in the file", most)


def _once_written(metadata: Any) -> list[str]:
    """The columns that have a dictionary of their values, and numbers into it."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(number) for group in groups for number in range(metadata.num_columns))
    return list(
        {one.path_in_schema for one in columns if one.has_dictionary_page and one.physical_type == "BYTE_ARRAY"}
    )


def _unpacked(metadata: Any, names: Sequence[str]) -> Iterator[int]:
    """What the wanted parts of a file take unpacked, as it says itself."""
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            found = metadata.row_group(group).column(column)
            if found.path_in_schema.split(".")[0] in names:
                yield found.total_uncompressed_size


def _size(values: Any) -> int:
    """The bytes of an Arrow array where every value is written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        lengths = pc.binary_length(values.dictionary)
        return int(pc.sum(pc.take(lengths, values.indices)).as_py() or 0)
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return _size(values.flatten())
    if pa.types.is_struct(values.type):
        return sum(map(_size, values.flatten()))
    return int(values.nbytes)


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
