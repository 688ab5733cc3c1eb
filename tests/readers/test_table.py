"""Tables of any columns: GLUE's tsv files, SuperGLUE's jsonl, the hub's parquet files."""

import json
from pathlib import Path

import pytest

from vlhyper.errors import UserError
from vlhyper.readers import load_manifest, load_rows
from vlhyper.readers.table import rounded

DATA = Path(__file__).resolve().parents[2] / "data"
PAIR = {"id": "idx", "sentence1": "sentence1", "label": "label"}


def parquet(path: Path, records: list[dict]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records), path)


@pytest.fixture
def shipped(tmp_path):
    """shipped(manifest, split, root): rows of a manifest of data/, its files under another root and fewer."""

    def read(name: str, split: str, root: Path) -> list[dict]:
        manifest = load_manifest(DATA / f"{name}.yaml", root=str(root))
        fewer = {split: manifest.split(split).model_copy(update={"count": None})}
        return load_rows(manifest.model_copy(update={"splits": fewer}), split, tmp_path / "cache").to_list()

    return read


def test_tsv_without_quoting_and_with_a_mark(put, rows):
    put("a.tsv", '\ufeffQuality\t#1 String\r\n1\t"Yes," he said.\r\n0\ta "b\r\n')
    fields = {"sentence": "#1 String", "label": "Quality"}
    found = rows("table", {"table": "a.tsv"}, fields=fields, labels={0: "bad", 1: "good"})
    assert [(row["id"], row["image"], row["sentence"], row["targets"]) for row in found] == [
        ("0", "", '"Yes," he said.', ["good"]),
        ("1", "", 'a "b', ["bad"]),
    ]


def test_csv_with_quotes(put, rows):
    put("a.csv", 'text,label\n"a, ""b""",1\nc,0\n')
    found = rows("table", {"table": "a.csv"}, fields={"sentence": "text", "label": "label"}, labels={0: "n", 1: "y"})
    assert [(row["id"], row["sentence"], row["targets"]) for row in found] == [
        ("0", 'a, "b"', ["y"]),
        ("1", "c", ["n"]),
    ]


def test_files_that_begin_with_a_dot_are_no_texts(put, rows):
    """macOS leaves ._NAME beside what it copies."""
    put("set/neg/0_1.txt", "bad")
    put("set/neg/._0_1.txt", "\x00\x05\x16\x07")
    put("set/pos/0_9.txt", "good")
    fields = {"id": "id", "sentence": "text", "label": "label"}
    found = rows("table", {"table": "set"}, fields=fields, labels={"neg": "negative", "pos": "positive"})
    assert [row["id"] for row in found] == ["neg/0_1", "pos/0_9"]


def test_rounded_labels_are_kept_as_they_were_written(put, rows):
    put("a.tsv", "sentence1\tscore\nx\t3.751\n")
    (row,) = rows("table", {"table": "a.tsv"}, fields={"sentence1": "sentence1", "label": "score"}, round_labels=0.2)
    assert (row["targets"], row["written"]) == (["3.8"], "3.751")


def test_tsv_without_a_header(put, rows):
    put("a.tsv", "gj04\t1\t\tThe sailors rode.\n")
    found = rows(
        "table", {"table": "a.tsv"}, fields={"label": 1, "sentence": 3}, labels={1: "acceptable"}, header=False
    )
    assert (found[0]["sentence"], found[0]["targets"]) == ("The sailors rode.", ["acceptable"])


def test_short_lines_are_refused_or_skipped(put, rows):
    put("a.tsv", "sentence\tlabel\nfine\t1\nbroken\n")
    settings = {"fields": {"sentence": "sentence", "label": "label"}, "labels": {1: "good"}}
    with pytest.raises(UserError, match=r"a\.tsv: line 3 has 1 columns, 2 are expected"):
        rows("table", {"table": "a.tsv"}, **settings)
    assert len(rows("table", {"table": "a.tsv"}, short_lines="skip", **settings)) == 1


def test_long_lines_are_refused_or_skipped_too(put, rows):
    """A tab within a text moves what stands behind it into the wrong column."""
    put("a.tsv", "sentence\tlabel\nfine\t1\nbro\tken\t1\n")
    settings = {"fields": {"sentence": "sentence", "label": "label"}}
    with pytest.raises(UserError, match=r"a\.tsv: line 3 has 3 columns, 2 are expected; correct the line"):
        rows("table", {"table": "a.tsv"}, **settings)
    assert [row["sentence"] for row in rows("table", {"table": "a.tsv"}, short_lines="skip", **settings)] == ["fine"]


def test_an_unknown_label_is_named_with_the_known_ones(put, rows):
    put("a.jsonl", '{"idx": 1, "sentence1": "x", "label": 7}')
    with pytest.raises(UserError, match=r"a\.jsonl: record 1 has the label '7'; known are '0', '1'"):
        rows("table", {"table": "a.jsonl"}, fields=PAIR, labels={0: "a", 1: "b"})


def test_an_unknown_column_is_named_with_those_there_are(put, rows):
    put("a.jsonl", '{"idx": 1, "sentence_1": "x", "label": 0}')
    with pytest.raises(UserError, match="no column 'sentence1' for 'sentence1'; its columns are 'idx', 'sentence_1'"):
        rows("table", {"table": "a.jsonl"}, fields=PAIR)


@pytest.mark.parametrize("hidden", [-1, None, ""])
def test_a_hidden_label_is_no_target(put, rows, hidden):
    put("a.json", [{"idx": 1, "sentence1": "x", "label": hidden}])
    assert rows("table", {"table": "a.json"}, fields=PAIR, labels={0: "a"})[0]["targets"] == []


@pytest.mark.parametrize(
    ("score", "text"), [("5.000", "5.0"), ("3.751", "3.8"), ("0", "0.0"), ("2.5", "2.4"), (4.4, "4.4")]
)
def test_scores_are_rounded_to_multiples(score, text):
    assert rounded(str(score), 0.2) == text


def test_the_first_column_there_counts_and_patterns_take_a_part(put, rows):
    put("a.jsonl", '{"question_id": "2971475", "b": "second"}')
    fields = {"image": {"column": "question_id", "pattern": r"(\d+)\d"}, "question": ["a", "b"]}
    found = rows("table", {"table": "a.jsonl"}, fields=fields)
    assert (found[0]["image"], found[0]["question"]) == ("297147", "second")
    put("b.jsonl", '{"question_id": "x", "b": "second"}')
    with pytest.raises(
        UserError, match=r"'image' is 'x', which the manifest's pattern '\(\\\\d\+\)\\\\d' does not fit"
    ):
        rows("table", {"table": "b.jsonl"}, fields=fields)


def test_another_kind_of_file_is_refused(put, rows):
    put("a.xlsx", "x")
    with pytest.raises(UserError, match=r"a table must be \.tsv, \.txt, \.csv, \.jsonl, \.json, \.parquet or a folder"):
        rows("table", {"table": "a.xlsx"}, fields=PAIR)


def test_a_parquet_file_that_is_none_is_named(put, rows):
    put("a.parquet", "nonsense")
    with pytest.raises(UserError, match=r"a\.parquet: not a readable parquet file"):
        rows("table", {"table": "a.parquet"}, fields=PAIR)


def test_a_damaged_page_of_a_parquet_file_is_named(tmp_path, rows):
    parquet(tmp_path / "a.parquet", [{"idx": n, "sentence1": f"text {n * n}", "label": 0} for n in range(999)])
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:40] + b"\xff" * 4000 + whole[4040:])
    with pytest.raises(UserError, match=r"a\.parquet: not a readable parquet file: .*; fetch it again"):
        rows("table", {"table": "a.parquet"}, fields=PAIR)


@pytest.mark.parametrize("field", ["sentence1", "label"])
def test_a_lacking_column_is_named_with_all_a_parquet_file_has(tmp_path, rows, field):
    parquet(tmp_path / "a.parquet", [{"idx": 3, "sentence1": "x", "label": 0, "extra": 1}])
    said = rf"a\.parquet: has no column 'typo' for '{field}'; its columns are 'idx', 'sentence1', 'label', 'extra'"
    with pytest.raises(UserError, match=said):
        rows("table", {"table": "a.parquet"}, fields={**PAIR, field: "typo"})


def test_a_lacking_column_is_named_with_all_a_hub_set_has(tmp_path, rows):
    parquet(tmp_path / "set/data/train-0.parquet", [{"idx": 3, "sentence1": "x", "label": 0, "extra": 1}])
    hub = {"id": str(tmp_path / "set"), "split": "train"}
    said = r"cannot be read: has no column 'typo' for 'label'; its columns are 'idx', 'sentence1', 'label', 'extra'"
    with pytest.raises(UserError, match=said):
        rows("table", {}, split={"hub": hub}, fields={**PAIR, "label": "typo"})


def test_a_label_that_no_column_holds_is_refused_unless_test_splits_alone_read_the_file(put, manifest, tmp_path):
    put("a.tsv", "idx\tsentence1\n1\tx\n")
    one = {"files": {"table": "a.tsv"}}

    def read(*names: str) -> list[dict]:
        content = {"name": "mine", "format": "table", "fields": PAIR, "splits": dict.fromkeys(names, one)}
        return load_rows(load_manifest(content, tmp_path), names[0], tmp_path / "cache").to_list()

    # Where others read it too, the rows are shared, and so must be the rule.
    for names in (["train"], ["validation", "test"], ["test", "validation"]):
        with pytest.raises(UserError, match="no column 'label' for 'label'; its columns are 'idx', 'sentence1'"):
            read(*names)
    assert [row["targets"] for row in read("test-dev", "test")] == [[]]


def test_images_in_parquet_files_are_not_read(tmp_path, rows):
    parquet(
        tmp_path / "a.parquet", [{"idx": 3, "sentence1": "x", "label": 0, "image": {"bytes": b"no jpeg", "path": ""}}]
    )
    assert [row["id"] for row in rows("table", {"table": "a.parquet"}, fields=PAIR)] == ["3"]


@pytest.mark.parametrize(
    ("name", "file", "count", "first"),
    [
        ("glue_cola", "CoLA/dev.tsv", None, {"sentence": "The sailors rode the breeze clear of the rocks."}),
        ("glue_sst2", "SST-2/dev.tsv", 872, {"id": "0", "targets": ["positive"]}),
        ("glue_mrpc", "MRPC/dev.tsv", 408, {"targets": ["equivalent"]}),
        ("glue_stsb", "STS-B/dev.tsv", 1500, {"targets": ["5.0"], "sentence2": "A man wearing a hard hat is dancing."}),
        ("glue_rte", "RTE/dev.tsv", 139, {"id": "57", "targets": ["not_entailment"]}),
        ("glue_qnli", "QNLI/dev_first600.tsv", 600, {"targets": ["entailment"]}),
    ],
)
def test_glues_real_dev_files(shared, tmp_path, name, file, count, first):
    """The manifest's fields on the real file, both halves of it."""
    path = shared / "glue" / (file if count else "CoLA/in_domain_dev.tsv")
    manifest = load_manifest(DATA / f"{name}.yaml", root=str(path.parent))
    split = manifest.splits["test"].model_copy(update={"files": {"table": [path.name]}, "part": None, "count": None})
    found = load_rows(manifest.model_copy(update={"splits": {"test": split}}), "test", tmp_path).to_list()
    assert count in (None, len(found))
    assert {key: found[0][key] for key in first} == first


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("glue_cola", "CoLA"),
        ("glue_sst2", "SST-2"),
        ("glue_mrpc", "MRPC"),
        ("glue_qqp", "QQP"),
        ("glue_stsb", "STS-B"),
        ("glue_mnli", "MNLI"),
        ("glue_qnli", "QNLI"),
        ("glue_rte", "RTE"),
    ],
)
def test_glues_columns_in_every_split(shared, tmp_path, name, folder):
    """One line of each file of all eight tasks; test files hide their labels."""
    root = shared / "glue" / "mtdnn_samples" / folder
    manifest = load_manifest(DATA / f"{name}.yaml", root=str(root))
    for file in sorted(root.glob("*.tsv")):
        hidden = file.name.startswith("test")
        split = {"files": {"table": [file.name]}, "part": None, "count": None}
        called = "test" if hidden else "x"
        one = manifest.model_copy(update={"splits": {called: manifest.splits["train"].model_copy(update=split)}})
        found = load_rows(one, called, tmp_path).to_list()
        assert len(found) == (2 if name == "glue_cola" and not hidden else 1)
        assert found[0]["id"] == "0" or not hidden
        assert all(found[0][text] for text in manifest.texts)
        assert bool(found[0]["targets"]) is not hidden


@pytest.mark.parametrize(("name", "task"), [("CB", "cb"), ("BoolQ", "boolq")])
def test_superglues_real_lines(shared, shipped, name, task):
    found = shipped(task, "train", shared / "glue" / "FewGLUE" / name)
    assert len(found) == 32
    assert {row["targets"][0] for row in found} <= {"entailment", "neutral", "contradiction", "True", "False"}
    assert all(row["id"].isdigit() for row in found)


@pytest.mark.parametrize(("name", "label"), [("glue_cola", -1), ("glue_stsb", -1.0), ("cb", -1)])
def test_the_hubs_test_sets_hide_their_labels(tmp_path, name, label):
    import pyarrow as pa
    import pyarrow.parquet as pq

    manifest = load_manifest(DATA / f"hub/{name}.yaml", root=str(tmp_path))
    path = tmp_path / manifest.splits["test_server"].files["table"][0].replace("*", "0")
    path.parent.mkdir()
    pq.write_table(pa.table({"idx": [7], "label": [label]} | {text: ["a"] for text in manifest.texts}), path)
    split = manifest.splits["test_server"].model_copy(update={"count": 1})
    one = manifest.model_copy(update={"splits": {"test_server": split}})
    (row,) = load_rows(one, "test_server", tmp_path / "cache").to_list()
    assert row["id"] == "7" and row["targets"] == []


PEOPLE = [{"answer": "down", "answer_confidence": "yes", "answer_id": n} for n in range(1, 11)]
HUB = {
    "vqa_v2": (
        "val",
        "data/validation-00000-of-00068.parquet",
        {"question_id": 262148000, "image_id": 262148, "question": "Where?", "answers": PEOPLE},
        {"id": "262148000", "image": "262148", "question": "Where?", "targets": ["down"], "weights": [1.0]},
    ),
    "gqa": (
        "testdev",
        "testdev_balanced_instructions/testdev-00000-of-00001.parquet",
        {"id": "201307251", "imageId": "n161313", "question": "Is it overcast?", "answer": "no", "isBalanced": True},
        {"id": "201307251", "image": "n161313", "question": "Is it overcast?", "targets": ["no"], "weights": [1.0]},
    ),
    "okvqa": (
        "whole",
        "data/val2014-00000-of-00002.parquet",
        {"question_id": "2971475", "question": "What sport?", "answers": ["race"] * 8 + ["bike"] * 2},
        {
            "id": "2971475",
            "image": "297147",
            "question": "What sport?",
            "targets": ["race", "bike"],
            "weights": [1.0, 0.6],
        },
    ),
    "coco_captions": (
        "val2014",
        "data/val-00000-of-00013.parquet",
        {
            "question_id": "COCO_val2014_000000203564.jpg",
            "question": "Please carefully",
            "answer": ["A clock.", "One."],
        },
        {"id": "203564", "image": "COCO_val2014_000000203564", "targets": ["A clock.", "One."], "weights": [1.0, 1.0]},
    ),
    "coco_karpathy": (
        "train",
        "data/restval-00000-of-00001.parquet",
        {"filename": "COCO_val2014_000000000042.jpg", "cocoid": 42, "sentences": ["A shoe."], "imgid": 7},
        {"id": "42", "image": "COCO_val2014_000000000042", "targets": ["A shoe."], "weights": [1.0]},
    ),
    "glue_mnli": (
        "test",
        "mnli/validation_matched-00000-of-00001.parquet",
        {"premise": "P", "hypothesis": "H", "label": 2, "idx": 0},
        {"id": "0", "image": "", "premise": "P", "hypothesis": "H", "targets": ["contradiction"], "weights": [1.0]},
    ),
    "paws": (
        "train",
        "labeled_final/train-00000-of-00001.parquet",
        {"id": 1, "sentence1": "A", "sentence2": "B", "label": 1},
        {"id": "1", "image": "", "sentence1": "A", "sentence2": "B", "targets": ["equivalent"], "weights": [1.0]},
    ),
}


@pytest.mark.parametrize("name", HUB)
def test_the_hubs_layouts_from_a_local_folder(tmp_path, shipped, name):
    split, file, record, row = HUB[name]
    picture = {"image": {"bytes": b"no jpeg", "path": "x.jpg"}}
    parquet(tmp_path / "hub" / file, [{**record, **picture}])
    if name == "coco_karpathy":
        parquet(tmp_path / "hub/data/train-00000-of-00001.parquet", [{**record, "cocoid": 1}])
    found = shipped(f"hub/{name}", split, tmp_path / "hub")[-1]
    # What people answered, before it was counted.
    assert json.loads(found.pop("written", "[]")) == [
        answer if isinstance(answer, str) else answer["answer"] for answer in record.get("answers", [])
    ]
    assert found == row


def test_part_of_the_hubs_files_is_not_taken_for_all(tmp_path, shipped):
    """train without restval would be the known mistake."""
    parquet(tmp_path / "hub/data/train-00000-of-00001.parquet", [HUB["coco_karpathy"][2]])
    with pytest.raises(UserError, match=r"restval-\*\.parquet is missing; the hub's yerevann/coco-karpathy has it"):
        shipped("hub/coco_karpathy", "train", tmp_path / "hub")


@pytest.mark.parametrize(("label", "word"), [(0, "False"), (1, "True"), (-1, None)])
def test_boolqs_labels_on_the_hub(tmp_path, shipped, label, word):
    record = {"question": "is it", "passage": "It is.", "idx": 0, "label": label}
    parquet(tmp_path / "hub/boolq/train-00000-of-00001.parquet", [record])
    assert shipped("hub/boolq", "train", tmp_path / "hub")[0]["targets"] == ([word] if word else [])


def test_a_hub_id_goes_through_datasets(tmp_path, manifest, monkeypatch):
    """A folder stands for the hub: `datasets` loads both alike. Two splits are joined."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    for split, number in (("train", 1), ("restval", 2)):
        record = {"cocoid": number, "sentences": ["A shoe."], "image": {"bytes": b"no jpeg", "path": ""}}
        parquet(tmp_path / f"set/data/{split}-00000-of-00001.parquet", [record])
    hub = {"id": str(tmp_path / "set"), "split": "train+restval"}
    mine = manifest("table", {}, split={"hub": hub}, fields={"id": "cocoid", "captions": "sentences"})
    assert load_rows(mine, "train", tmp_path / "cache")["id"][:] == ["1", "2"]


def test_a_hub_split_that_is_not_there_is_one_line(tmp_path, manifest):
    parquet(tmp_path / "set/data/train-0.parquet", [{"cocoid": 1}])
    mine = manifest("table", {}, split={"hub": {"id": str(tmp_path / "set"), "split": "tran"}}, fields={"id": "cocoid"})
    with pytest.raises(UserError, match=r"split tran\) cannot be read: Bad split: tran"):
        load_rows(mine, "train", tmp_path / "cache")


def test_json_lines_hold_objects(put, rows):
    put("a.jsonl", json.dumps([1, 2]))
    with pytest.raises(UserError, match=r"record 1 must be an object of columns, is \[1, 2\]"):
        rows("table", {"table": "a.jsonl"}, fields=PAIR)


def test_imdbs_folders(put, tmp_path, shipped):
    for name in ("train/pos/1_9.txt", "train/neg/0_3.txt", "train/unsup/0_0.txt"):
        put(name, f"A film.<br />\u2028{name}\n")
    found = shipped("imdb", "train", tmp_path)
    assert [(row["id"], row["targets"]) for row in found] == [("neg/0_3", ["negative"]), ("pos/1_9", ["positive"])]
    assert found[0]["sentence"] == "A film.<br />\u2028train/neg/0_3.txt"


def test_a_cell_may_hold_the_list_of_answers_or_captions(put, rows):
    """A-OKVQA on the hub has its answers so, as Python writes them; csv has no other way."""
    fields = {"id": "id", "image": "image", "question": "question", "answers": "answers"}
    put("a.csv", "id,image,question,answers\nq,a,Why?,\"['red', 'red', 'blue']\"\n")
    put("c.tsv", 'image\tcaptions\na\t["A dog.", "One dog."]\n')
    found = rows("table", {"table": "a.csv"}, fields={**fields})
    assert found[0]["targets"][0] == "red"
    captions = rows("table", {"table": "c.tsv"}, fields={"image": "image", "captions": "captions"}, name="captions")
    assert captions[0]["targets"] == ["A dog.", "One dog."]


def test_a_csv_may_have_semicolons_and_must_close_its_quotes(put, rows):
    fields = {"id": "id", "image": "image", "question": "question", "label": "answer"}
    put("a.csv", 'id;image;question;answer\nq;a;"Why; now?";red\n')
    (row,) = rows("table", {"table": "a.csv"}, fields=fields)
    assert (row["question"], row["targets"]) == ("Why; now?", ["red"])
    put("b.csv", 'id,image,question,answer\nq,a,"Why?,red\nr,a,Why?,red\n')
    with pytest.raises(UserError, match=r"b\.csv: line 3: unexpected end of data; save the table as a plain csv"):
        rows("table", {"table": "b.csv"}, fields=fields, name="other")
