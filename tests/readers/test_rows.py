import json
import os
import pickle
import time
from pathlib import Path

import pytest

from vlhyper.errors import UserError
from vlhyper.readers import load_rows
from vlhyper.readers.rows import BATCH

FILES = {"questions": "q.json"}


def question(number: int) -> dict:
    return {"question_id": number, "img_id": str(number), "sent": f"{number}?", "label": {"yes": 1}}


@pytest.fixture
def many(put, manifest):
    put("q.json", [question(number) for number in range(BATCH + 3)])
    return manifest("vl-t5", FILES)


def test_rows_are_mapped_and_keep_the_files_order(many, tmp_path):
    rows = load_rows(many, "train", tmp_path / "cache")
    assert rows["id"][:] == [str(number) for number in range(BATCH + 3)]
    assert [Path(file["filename"]).parent for file in rows.cache_files] == [tmp_path / "cache"]


def test_the_second_opening_reads_no_annotation(many, tmp_path, monkeypatch):
    first = load_rows(many, "train", tmp_path / "cache").to_list()
    monkeypatch.setattr("vlhyper.readers.rows._write", None)
    assert load_rows(many, "train", tmp_path / "cache").to_list() == first


def test_a_changed_file_is_read_anew(put, manifest, tmp_path):
    mine = manifest("vl-t5", FILES)
    path = put("q.json", [question(1)])
    assert len(load_rows(mine, "train", tmp_path / "cache")) == 1
    put("q.json", [question(1), question(2)])
    assert len(load_rows(mine, "train", tmp_path / "cache")) == 2
    # The same size at another time.
    put("q.json", [question(1), question(3)])
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 5))
    assert load_rows(mine, "train", tmp_path / "cache")["id"][:] == ["1", "3"]
    assert len(list((tmp_path / "cache").iterdir())) == 1, "rows of an earlier state are left"


def test_a_changed_chunk_of_a_folder_is_read_anew(put, manifest, tmp_path):
    mine = manifest("gqa", {"questions": "chunks"})
    record = {"imageId": "1", "question": "?", "answer": "yes"}
    put("chunks/a_0.json", {"1": record})
    assert len(load_rows(mine, "train", tmp_path / "cache")) == 1
    put("chunks/a_1.json", {"2": record})
    assert len(load_rows(mine, "train", tmp_path / "cache")) == 2


def test_other_options_are_other_rows(put, manifest, tmp_path):
    put("a.jsonl", '{"label": 0}\n')
    labels = [
        load_rows(
            manifest("table", {"table": "a.jsonl"}, fields={"label": "label"}, labels={0: word}), "train", tmp_path
        )
        for word in ("no", "yes")
    ]
    assert [rows[0]["targets"] for rows in labels] == [["no"], ["yes"]]


def test_data_sets_do_not_drive_each_other_out(put, manifest, tmp_path):
    for name in ("a.json", "b.json"):
        put(name, [question(1)])
        load_rows(manifest("vl-t5", {"questions": name}), "train", tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_parts_share_one_reading_and_are_disjoint(many, tmp_path):
    halves = [
        load_rows(
            many.model_copy(update={"splits": {"x": many.splits["train"].model_copy(update={"part": part})}}),
            "x",
            tmp_path,
        )
        for part in ("first-half", "second-half")
    ]
    assert sorted(int(id) for half in halves for id in half["id"][:]) == list(range(BATCH + 3))
    assert len(list(tmp_path.glob("*.arrow"))) == 1


def test_rows_go_to_worker_processes(many, tmp_path):
    rows = load_rows(many, "train", tmp_path / "cache")
    assert pickle.loads(pickle.dumps(rows))[5] == rows[5]


def test_a_fault_leaves_no_rows_behind(put, manifest, tmp_path):
    put("q.json", [question(1), {"question_id": 2}])
    with pytest.raises(UserError):
        load_rows(manifest("vl-t5", FILES), "train", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_empty_split_is_an_error(put, rows):
    put("q.json", [])
    with pytest.raises(UserError, match=r"mine, split train \(.*q\.json\): the files have no row of this split"):
        rows("vl-t5", FILES)


def test_doubled_ids_are_named_with_their_number(put, rows):
    put("q.json", [question(number % (BATCH + 1)) for number in range(BATCH + 5)])
    with pytest.raises(UserError, match=r"q\.json\): 4 duplicate ids \(0, 1, 2 and 1 more\)"):
        rows("vl-t5", FILES)


def test_half_a_character_is_named(put, rows):
    put(
        "a.jsonl",
        "".join(json.dumps({"id": number, "text": text}) + "\n" for number, text in ((1, "é"), (2, "\ud83d"))),
    )
    with pytest.raises(UserError, match=r"mine, split train \(.*a\.jsonl\): id '2' holds a text with half a character"):
        rows("table", {"table": "a.jsonl"}, fields={"id": "id", "text": "text"})


def test_a_missing_file_says_where_to_get_it(manifest, tmp_path):
    mine = manifest("vl-t5", FILES, sources={"q.json": {"url": "https://example.org/q.zip"}})
    with pytest.raises(UserError, match=r"q\.json is missing; get it from https://example\.org/q\.zip"):
        load_rows(mine, "train", tmp_path)


def test_a_changed_file_of_a_hub_folder_is_read_anew(tmp_path, manifest):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "set/data/train-0.parquet"
    file.parent.mkdir(parents=True)
    mine = manifest("table", {}, split={"hub": {"id": str(tmp_path / "set"), "split": "train"}}, fields={"id": "id"})
    for ids in (["1"], ["1", "2"]):
        pq.write_table(pa.table({"id": ids}), file)
        assert load_rows(mine, "train", tmp_path / "cache")["id"][:] == ids


@pytest.mark.parametrize(("part", "count"), [(None, BATCH + 3), ("first-half", BATCH // 2 + 1), ("held-out", 1000)])
def test_another_count_than_the_manifests_is_refused(many, tmp_path, part, count):
    def read(wanted: int) -> int:
        split = many.splits["train"].model_copy(update={"part": part, "count": wanted})
        return len(load_rows(many.model_copy(update={"splits": {"x": split}}), "x", tmp_path / "cache"))

    assert read(count) == count
    said = rf"mine, split x: {count:,} rows, but the manifest says 605,102; .* leave out `count`"
    for _ in range(2):  # the second time from the rows that are made already
        with pytest.raises(UserError, match=said):
            read(605102)


def test_a_missing_chunk_is_found_out(put, manifest, tmp_path):
    put("chunks/a_0.json", {"1": {"imageId": "1", "question": "?", "answer": "yes"}})
    with pytest.raises(UserError, match="1 rows, but the manifest says 2; is a file incomplete"):
        load_rows(manifest("gqa", {"questions": "chunks"}, split={"count": 2}), "train", tmp_path)
