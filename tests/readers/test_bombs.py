"""Files that would fill the memory: texts, keys, numbers, blanks and lines without end, plain and packed by gzip."""

import gzip
import io

import pytest

from vlhyper.errors import UserError
from vlhyper.readers import members, opening, records, streams
from vlhyper.readers.records import file_records
from vlhyper.readers.streams import json_items, json_lines, json_members, json_value, text_lines

LARGE = 60_000
FILES = {
    "text": ('[{"a": "', "x", '"}]'),
    "text with commas": ('[{"a": "', "x, ", '"}]'),
    "text with quotes": ('[{"a": "', '\\"', '"}]'),
    "backslashes": ('[{"a": "', "\\", '"}]'),
    "key": ('[{"', "k", '": 1}]'),
    "number": ('[{"a": ', "9", "}]"),
    "list": ('[{"a": [', "1,", "1]}]"),
    "blanks": ("[", " ", '{"a": 1}]'),
    "blanks before": ("", "\n", '[{"a": 1}]'),
    "blanks behind": ('[{"a": 1}]', "\n", ""),
}
READ = {
    "items": lambda path: list(json_items(path)),
    "strict": lambda path: list(json_items(path, strict=True)),
    "value": json_value,
    "lines": lambda path: list(json_lines(path)),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The limits a thousandth of what they are."""
    for module in (opening, members, records, streams):
        monkeypatch.setattr(module, "MOST_BYTES", LARGE // 10, raising=False)
        monkeypatch.setattr(module, "MOST_BLANKS", LARGE // 20, raising=False)
        monkeypatch.setattr(module, "BLOCK", 500, raising=False)


def written(path, content: str, packed: bool):
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    return path


def refused(read, path) -> None:
    with pytest.raises(UserError, match=r"has more than \d+ MB; is this the right file") as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}: ") and "\n" not in str(refusal.value)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("reader", READ)
@pytest.mark.parametrize("name", FILES)
def test_what_has_no_end_is_refused(tmp_path, name, reader, packed):
    before, filling, behind = FILES[name]
    path = written(tmp_path / "f.json", before + filling * (LARGE // len(filling)) + behind, packed)
    # Of a plain file that is read whole, its size says what memory it takes: commas and quotes may go on.
    if reader == "value" and not packed and name in ("text with commas", "text with quotes", "list"):
        assert len(str(json_value(path))) >= LARGE / 2
    else:
        refused(READ[reader], path)


@pytest.mark.parametrize("key", [None, "annotations"])
def test_a_text_beside_the_records_is_refused(tmp_path, key):
    path = written(tmp_path / "f.json", '{"info": "' + "x" * LARGE + '", "annotations": [1]}', True)
    refused(lambda path: list(json_members(path) if key is None else json_items(path, key)), path)


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
@pytest.mark.parametrize("filling", ["x", "\n"])
def test_a_line_or_blank_lines_without_end_are_refused(tmp_path, ending, filling):
    path = written(tmp_path / f"f.{ending}.gz", '{"a": 1}\n' + filling * LARGE, True)
    refused(lambda path: list(file_records(path, {"short_lines": "skip"}, lambda names: list(names))), path)


def test_long_files_of_short_records_are_read(tmp_path):
    records = ",".join(['{"a": "some text"}'] * LARGE)
    path = written(tmp_path / "f.json", f"[{records}]", False)
    assert len(list(json_items(path))) == len(json_value(path)) == LARGE
    lines = written(tmp_path / "f.txt", "one line\n" * LARGE, False)
    assert sum(1 for _ in text_lines(lines)) == LARGE


def test_a_pipe_is_bounded_too():
    with pytest.raises(opening.TooLarge, match="a single text or number"):
        opening.whole(io.BytesIO(b"x" * LARGE))


def test_other_packings_are_named(tmp_path):
    import bz2

    (tmp_path / "f.json").write_bytes(bz2.compress(b"[]"))
    with pytest.raises(UserError, match=r"f\.json: this is a compressed file; unpack it first"):
        list(json_items(tmp_path / "f.json"))


def once(values, times, kind=None):
    """A column in which one value is written and meant many times."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int8()), pa.array(values, kind))


def bombs():
    """By name a table of one column whose file has some hundred bytes and means a hundred times as much."""
    import pyarrow as pa

    return {
        "a text": pa.array(["x" * 10 * LARGE]),
        "one text many times": once(["x" * 1000], 4000),
        "many short ones": once(["a"], 4 * LARGE),
        "a list of one text": pa.ListArray.from_arrays([0, 4000], pa.array(["x" * 1000] * 4000)),
        "structs": pa.StructArray.from_arrays([pa.array(["x" * 1000] * 4000)], ["a"]),
        "a list of numbers": pa.ListArray.from_arrays([0, 2 * LARGE], pa.array([0] * 2 * LARGE, pa.int64())),
    }


@pytest.mark.parametrize("name", bombs())
def test_a_parquet_file_that_unpacks_to_much_is_refused_early(tmp_path, name):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"a": bombs()[name]}), path, compression="zstd", store_schema=False)
    refused(lambda path: list(file_records(path, {}, lambda names: list(names))), path)
    # A column that is not wanted costs nothing.
    assert len(list(file_records(path, {}, lambda names: []))) >= 0


def test_a_parquet_file_of_texts_that_repeat_is_read(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"a": ["yes", None, "no"] * 50, "b": [["x", "y"], [], None] * 50, "c": [{"t": "u"}, None, {"t": None}] * 50}
    pq.write_table(pa.table(table), tmp_path / "f.parquet")
    found = list(file_records(tmp_path / "f.parquet", {}, lambda names: list(names)))
    assert {name: [one[name] for one in found] for name in table} == table


def test_what_is_no_parquet_file_is_named_at_once(tmp_path):
    import os

    os.mkfifo(tmp_path / "f.parquet")
    with pytest.raises(UserError, match=r"f\.parquet: this is a device or a pipe"):
        list(file_records(tmp_path / "f.parquet", {}, lambda names: list(names)))


@pytest.mark.parametrize("filling", ["x", ", ", '"', "a, b "])
def test_captions_of_one_line_without_end_are_refused(tmp_path, filling):
    from vlhyper.readers.references import read_references
    from vlhyper.readers.source import Source

    path = written(tmp_path / "captions.txt", "image,caption\n1.jpg," + filling * LARGE + "\n", False)
    for content in (path, written(tmp_path / "plain.txt", "1.jpg\t" + filling * LARGE, False)):
        refused(lambda path: list(read_references(Source({"annotations": (path,)}))), content)
