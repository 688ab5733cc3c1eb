"""The published files' layouts with all their keys, and what happens to files on the way to a disk.

Keys and types are those of the real files, values are invented.
"""

import gzip
import itertools
import json
import math
from pathlib import Path

import pytest

from vlhyper.errors import UserError
from vlhyper.readers import load_manifest, load_rows

LICENSE = {"url": "http://creativecommons.org/licenses/by/4.0/", "name": "Creative Commons Attribution 4.0"}
INFO = {"description": "VQA v2.0", "url": "http://visualqa.org", "version": "2.0", "year": 2017, "contributor": "VQA"}
PEOPLE = [{"answer": "net", "answer_confidence": "yes", "answer_id": n} for n in range(1, 10)]
PEOPLE.append({"answer": "mesh", "answer_confidence": "maybe", "answer_id": 10})
STEMMED = [{**one, "raw_answer": one["answer"] + "s"} for one in PEOPLE]
VQA = {
    "q.json": {
        "info": INFO,
        "task_type": "Open-Ended",
        "data_type": "mscoco",
        "license": LICENSE,
        "data_subtype": "train2014",
        "questions": [{"image_id": 458752, "question": "What is this photo taken through?", "question_id": 458752000}],
    },
    "a.json": {
        "info": INFO,
        "license": LICENSE,
        "data_subtype": "train2014",
        "annotations": [
            {
                "question_type": "what is this",
                "multiple_choice_answer": "net",
                "answers": PEOPLE,
                "image_id": 458752,
                "answer_type": "other",
                "question_id": 458752000,
            }
        ],
        "data_type": "mscoco",
    },
}
OKVQA = {
    "q.json": {**VQA["q.json"], "questions": [{"image_id": 51606, "question": "Sport?", "question_id": 516065}]},
    "a.json": {
        **VQA["a.json"],
        "annotations": [
            {
                "image_id": 51606,
                "answer_type": "other",
                "question_type": "four",
                "question_id": 516065,
                "answers": STEMMED,
                "confidence": 3,
            }
        ],
        "question_types": {"four": "Sports and Recreation"},
    },
}
KARPATHY_VQA = {
    "answer_type": "other",
    "answers": PEOPLE,
    "img_id": "COCO_val2014_000000262148",
    "is_topk_optimal": True,
    "label": {"net": 1, "mesh": 0.3},
    "question_id": 262148000,
    "question_type": "what is this",
    "sent": "What is this?",
}
NOMINIVAL = {
    key: KARPATHY_VQA[key] for key in ("answer_type", "img_id", "label", "question_id", "question_type", "sent")
}
GQA = {
    "semantic": [{"operation": "select", "dependencies": [], "argument": "scene"}],
    "entailed": ["201307252"],
    "equivalent": ["201307251"],
    "question": "Is it overcast?",
    "imageId": "n161313",
    "isBalanced": True,
    "groups": {"global": None, "local": "13-weather"},
    "answer": "no",
    "semanticStr": "select: scene->verify weather: overcast [0]",
    "annotations": {"answer": {"0": "17"}, "question": {"6:9": "17"}, "fullAnswer": {}},
    "types": {"detailed": "weatherVerify", "semantic": "global", "structural": "verify"},
    "fullAnswer": "No, it is clear.",
}
CAPTIONS = {
    "info": {"description": "COCO 2014 Dataset", "date_created": "2017/09/01"},
    "images": [
        {
            "license": 3,
            "file_name": "COCO_val2014_000000391895.jpg",
            "coco_url": "http://images.cocodataset.org/val2014/COCO_val2014_000000391895.jpg",
            "height": 360,
            "width": 640,
            "date_captured": "2013-11-14 11:18:45",
            "flickr_url": "http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg",
            "id": 391895,
        }
    ],
    "licenses": [{"url": "http://creativecommons.org/licenses/by-nc/2.0/", "id": 2, "name": "Attribution"}],
    "annotations": [
        {"image_id": 391895, "id": 770337, "caption": "A man with a [red] helmet\n"},
        {"image_id": 391895, "id": 771687, "caption": " "},
    ],
}
KARPATHY = {
    "images": [
        {
            "filepath": "val2014",
            "sentids": [770337],
            "filename": "COCO_val2014_000000391895.jpg",
            "imgid": 0,
            "split": split,
            "sentences": [{"tokens": ["a", "man"], "raw": f"A {split} man.", "imgid": 0, "sentid": 770337}],
            "cocoid": number,
        }
        for number, split in enumerate(("train", "restval", "val", "test"))
    ],
    "dataset": "coco",
}
VG_PAIR = {"a_objects": [], "question": "Where?", "image_id": 1, "qa_id": 986768, "answer": "Here.", "q_objects": []}
VE = {
    "annotator_labels": ["neutral", "neutral"],
    "captionID": "4705552913.jpg#2",
    "gold_label": "neutral",
    "pairID": "4705552913.jpg#2r1n",
    "sentence1": "Two women hug.",
    "sentence1_parse": "(ROOT (S (NP (CD Two)) (. .)))",
    "sentence2": "The women are sisters.",
    "Flickr30K_ID": "4705552913",
}
QUESTIONS, BOTH = {"questions": "q.json"}, {"questions": "q.json", "annotations": "a.json"}

# name: format, files by role, their content, settings; what must come out: id, image, targets of each row.
LAYOUTS = {
    "vqa train": ("vqa", BOTH, VQA, {}, [("458752000", "458752", ["net", "mesh"])]),
    "vqa test2015": ("vqa", QUESTIONS, VQA, {}, [("458752000", "458752", [])]),
    "okvqa stemmed": ("vqa", BOTH, OKVQA, {}, [("516065", "51606", ["net", "mesh"])]),
    "okvqa raw": ("vqa", BOTH, OKVQA, {"answers": "raw"}, [("516065", "51606", ["nets", "meshs"])]),
    "karpathy_val": (
        "vl-t5",
        QUESTIONS,
        {"q.json": [KARPATHY_VQA]},
        {},
        [("262148000", "COCO_val2014_000000262148", ["net", "mesh"])],
    ),
    "nominival": (
        "vl-t5",
        QUESTIONS,
        {"q.json": [NOMINIVAL, {**NOMINIVAL, "question_id": 2, "label": {}}]},
        {},
        [("262148000", "COCO_val2014_000000262148", ["net", "mesh"]), ("2", "COCO_val2014_000000262148", [])],
    ),
    "vg_qa_full": (
        "vl-t5",
        QUESTIONS,
        {
            "q.json": [
                {"question_id": "vg_986768", "img_id": "2375429", "sent": "Where?", "label": {"green": 1.0}},
                # As the loaders of VL-T5 and VL-Adapter take it too.
                {"question_id": "vg_3", "img_id": 1, "question": "Who?", "answer": "x", "label": {"x": 1, "y": 0}},
            ]
        },
        {},
        [("vg_986768", "2375429", ["green"]), ("vg_3", "1", ["x"])],
    ),
    "gqa submit": (
        "vl-t5",
        QUESTIONS,
        {"q.json": [{"img_id": "n161313", "question_id": "07333408", "sent": "What is on the wall?"}]},
        {},
        [("07333408", "n161313", [])],
    ),
    "gqa balanced": (
        "gqa",
        QUESTIONS,
        {"q.json": {"201307251": GQA, "07333408": {**GQA, "answer": "pipe"}}},
        {},
        [("201307251", "n161313", ["no"]), ("07333408", "n161313", ["pipe"])],
    ),
    "gqa test": (
        "gqa",
        QUESTIONS,
        {"q.json": {"201971873": {"imageId": "n15740", "question": "Is it blue?", "isBalanced": True}}},
        {},
        [("201971873", "n15740", [])],
    ),
    "coco captions": (
        "coco-captions",
        {"annotations": "captions_val2014.json"},
        {"captions_val2014.json": CAPTIONS},
        {},
        [("391895", "COCO_val2014_000000391895", ["A man with a [red] helmet"])],
    ),
    "dataset_coco": (
        "karpathy",
        {"annotations": "dataset_coco.json"},
        {"dataset_coco.json": KARPATHY},
        {"split": {"subset": "train"}},
        [
            ("0", "COCO_val2014_000000391895", ["A train man."]),
            ("1", "COCO_val2014_000000391895", ["A restval man."]),
        ],
    ),
    "question_answers": (
        "visual-genome",
        QUESTIONS,
        {
            "q.json": [
                {"id": 1, "qas": [VG_PAIR]},
                {"image_id": 2, "qas": [{**VG_PAIR, "qa_id": 5, "image_id": 2}]},
                {"id": 3, "qas": []},
                {"id": 4, "qas": [{"qa_id": 6, "question": "Who?", "answer": "A man."}]},
            ]
        },
        {},
        [("986768", "1", ["here"]), ("5", "2", ["here"]), ("6", "4", ["a man"])],
    ),
    "snli_ve": (
        "snli-ve",
        {"annotations": "ve.jsonl"},
        {"ve.jsonl": [VE, {**VE, "pairID": "2", "gold_label": "-"}]},
        {},
        [("4705552913.jpg#2r1n", "4705552913", ["neutral"])],
    ),
    "superglue": (
        "table",
        {"table": "t.jsonl"},
        {"t.jsonl": [{"question": "is it", "passage": 'A "passage".', "idx": 7, "label": True}]},
        {"fields": {"id": "idx", "question": "question", "label": "label"}, "labels": {"True": "True"}},
        [("7", "", ["True"])],
    ),
}


def content(name: str, value, newline: str = "\n", **style) -> str:
    if name.endswith(".jsonl"):
        return "".join(json.dumps(line) + newline for line in value)
    return json.dumps(value, **style).replace("\n", newline)


PACKINGS = {
    "as published": lambda name, value: content(name, value).encode(),
    "byte-order mark": lambda name, value: b"\xef\xbb\xbf" + content(name, value).encode(),
    "CRLF": lambda name, value: content(name, value, "\r\n", indent=2).encode(),
    "without spaces": lambda name, value: content(name, value, separators=(",", ":")).encode(),
    "gzip": lambda name, value: gzip.compress(content(name, value).encode()),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(tmp_path, rows, layout, packing):
    form, files, contents, settings, wanted = LAYOUTS[layout]
    for name, value in contents.items():
        (tmp_path / name).write_bytes(PACKINGS[packing](name, value))
    found = rows(form, files, **settings)
    assert [(row["id"], row["image"], row["targets"]) for row in found] == wanted
    assert all(len(row["weights"]) == len(row["targets"]) for row in found)


FAULTS = {
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "a page of a download that failed": b"<!DOCTYPE html><html>",
    "zip": b"PK\x03\x04\x14\x00",
    "half a gzip": gzip.compress(b"[" + b"1," * 9999)[:50],
    "UTF-16": '[{"id": 1}]'.encode("utf-16"),
    "Latin-1": '[{"question_id": "café", "img_id": "é", "sent": "é"}]'.encode("latin-1"),
    "nested": b"[" * 5000,
    "NaN": b'[{"question_id": NaN, "img_id": "1", "sent": "?"}]',
    "torn": b'[{"question_id": 1, "img_id": "1", "sent": "?"}, {"question_id": 2, "img_',
    "two in one": b'[{"question_id": 1, "img_id": "1", "sent": "?"}]\n[]',
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("layout", ["karpathy_val", "vqa train", "gqa test", "snli_ve", "coco captions"])
def test_a_broken_file_is_one_line_that_names_it(tmp_path, rows, layout, fault):
    form, files, contents, settings, _ = LAYOUTS[layout]
    for name, value in contents.items():
        (tmp_path / name).write_text(content(name, value))
    broken = tmp_path / next(iter(contents))
    broken.write_bytes(FAULTS[fault])
    with pytest.raises(UserError) as error:
        rows(form, files, **settings)
    assert str(broken) in str(error.value)
    assert "\n" not in str(error.value)


# The keys whose loss or wrong type is a fault; the rest of a record is not read.
READ = {
    "vqa train": {"image_id", "question", "question_id", "answers"},
    "vqa test2015": {"image_id", "question", "question_id"},
    "okvqa raw": {"image_id", "question", "question_id", "answers"},
    "karpathy_val": {"img_id", "label", "question_id", "sent"},
    "gqa balanced": {"imageId", "question", "answer"},
    "gqa test": {"imageId", "question"},
    "coco captions": {"id", "file_name", "image_id", "caption"},
    "dataset_coco": {"split", "filename", "sentences", "cocoid"},
    "question_answers": {"qas"},
    "snli_ve": {"Flickr30K_ID", "gold_label", "pairID", "sentence2"},
}


@pytest.mark.parametrize("layout", READ)
def test_what_is_read_must_be_there_and_of_its_type(tmp_path, rows, layout):
    """Each key of a first record is taken away and given wrong types: the record is named, or the rows stay."""
    form, files, contents, settings, _ = LAYOUTS[layout]
    complaints = set()
    for name, key, value in spoilt(contents):
        for other, right in contents.items():
            (tmp_path / other).write_text(content(other, value if other == name else right))
        try:
            assert rows(form, files, **settings)
        except UserError as error:
            assert str(tmp_path / name) in str(error)
            assert "record 1" in str(error)
            assert "\n" not in str(error)
            complaints.add(key)
    assert complaints == READ[layout]


def spoilt(contents: dict):
    """(file, key, content) with a key of the first record of a file's lists taken away or of a wrong type."""
    for name, value in contents.items():
        for place, record in enumerate(first_records(value)):
            for key, change in itertools.product(record, ("absent", None, math.pi)):
                copy = json.loads(json.dumps(value))
                spoiled = first_records(copy)[place]
                spoiled.pop(key) if change == "absent" else spoiled.update({key: change})
                yield name, key, copy


def first_records(value) -> list[dict]:
    if isinstance(value, list):
        return value[:1]
    lists = [value[key] for key in ("questions", "annotations", "images") if isinstance(value.get(key), list)]
    return [records[0] for records in lists] or list(value.values())[:1]


def test_a_zip_says_what_to_do(put, tmp_path, rows):
    (tmp_path / "q.json").write_bytes(FAULTS["zip"])
    with pytest.raises(UserError, match=r"q\.json: is a zip archive; unpack it"):
        rows("vqa", QUESTIONS)


def test_a_file_that_still_lies_packed_is_found(tmp_path, manifest):
    (tmp_path / "q.json.zip").write_bytes(FAULTS["zip"])
    (line,) = manifest("vqa", QUESTIONS, homepage="https://example.org").missing("train")
    assert line == f"{tmp_path}/q.json is missing; unpack {tmp_path}/q.json.zip"


GLUE = {
    # The only one without a header, but for test.tsv.
    "glue_cola": (
        "train.tsv",
        'gj04\t1\t\tThe "sailors" rode.\ngj04\t0\t*\tThem rode.\n',
        ["acceptable", "unacceptable"],
    ),
    "glue_sst2": ("train.tsv", "sentence\tlabel\nhide new secretions \t0\n", ["negative"]),
    # As Microsoft's msr_paraphrase files: a byte-order mark, CRLF, quotation marks that pair with nothing.
    "glue_mrpc": (
        "train.tsv",
        '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t702876\t702977\t"He said so , "\tHe did .\r\n',
        ["equivalent"],
    ),
    "glue_qqp": (
        "dev.tsv",
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
        '201359\t303345\t303346\tWhy are "hyperloops" so "cheap?\tIs it?\t1\n'
        "2\t3\t4\tA line that breaks\n"
        "263843\t69383\t380476\tIf life?\tAn A?\t0\n",
        ["duplicate", "not_duplicate"],
    ),
    "glue_stsb": (
        "train.tsv",
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
        "0\tmain-captions\tMSRvid\t2012test\t0001\tnone\tnone\tA plane.\tAn air plane.\t4.750\n",
        ["4.8"],
    ),
    "glue_mnli": (
        "dev_matched.tsv",
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
        "sentence2_parse\tsentence1\tsentence2\tlabel1\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label\n"
        "0\t63735\t63735n\tslate\t( b )\t( b )\t(ROOT)\t(ROOT)\tThe new rights\tAll like it\t"
        "neutral\tentailment\tneutral\tneutral\tneutral\tneutral\n",
        ["neutral"],
    ),
    "glue_qnli": ("dev.tsv", "index\tquestion\tsentence\tlabel\n0\tWhat?\tAs such.\tentailment\n", ["entailment"]),
    "glue_rte": ("train.tsv", "index\tsentence1\tsentence2\tlabel\n0\tNo.\tYes.\tnot_entailment\n", ["not_entailment"]),
    "paws": ("train.tsv", "id\tsentence1\tsentence2\tlabel\n1\tIn Paris .\tParis in .\t0\n", ["not_equivalent"]),
}
DATA = Path(__file__).resolve().parents[2] / "data"


def shipped(name: str, path: Path, cache: Path) -> list[dict]:
    """The rows of one file by a shipped manifest, as the manifest reads the whole of that file."""
    manifest = load_manifest(DATA / f"{name}.yaml", root=str(path.parent))
    split = next(split for split in manifest.splits.values() if split.files["table"] == [path.name])
    whole = split.model_copy(update={"count": None, "part": None})
    return load_rows(manifest.model_copy(update={"splits": {"x": whole}}), "x", cache).to_list()


@pytest.mark.parametrize("name", GLUE)
def test_glue_as_downloaded(put, tmp_path, name):
    file, written, targets = GLUE[name]
    found = shipped(name, put(file, written), tmp_path / "cache")
    assert [row["targets"] for row in found] == [[target] for target in targets]
    assert all("\r" not in text for row in found for text in row.values() if isinstance(text, str))


def test_microsofts_own_file_is_a_table(put, rows):
    put("msr_paraphrase_test.txt", GLUE["glue_mrpc"][1])
    fields = {"sentence1": "#1 String", "sentence2": "#2 String", "label": "Quality"}
    (row,) = rows("table", {"table": "msr_paraphrase_test.txt"}, fields=fields, labels={1: "equivalent"})
    assert (row["sentence1"], row["sentence2"], row["targets"]) == ('"He said so , "', "He did .", ["equivalent"])


def test_packed_tables(tmp_path, rows):
    (tmp_path / "t.tsv.gz").write_bytes(gzip.compress(b"sentence\tlabel\nfine\t1\n"))
    fields = {"sentence": "sentence", "label": "label"}
    assert rows("table", {"table": "t.tsv.gz"}, fields=fields, labels={1: "good"})[0]["targets"] == ["good"]


HUB = {
    "glue_cola": ("cola/train-00000-of-00001.parquet", {"sentence": "A.", "label": 1, "idx": 0}, ["acceptable"]),
    "glue_sst2": ("sst2/train-00000-of-00001.parquet", {"sentence": "A.", "label": 0, "idx": 0}, ["negative"]),
    "glue_mrpc": (
        "mrpc/train-00000-of-00001.parquet",
        {"sentence1": "A.", "sentence2": "B.", "label": 1, "idx": 0},
        ["equivalent"],
    ),
    "glue_qqp": (
        "qqp/train-00000-of-00001.parquet",
        {"question1": "A?", "question2": "B?", "label": 0, "idx": 0},
        ["not_duplicate"],
    ),
    "glue_stsb": (
        "stsb/train-00000-of-00001.parquet",
        {"sentence1": "A.", "sentence2": "B.", "label": 3.799999952316284, "idx": 0},
        ["3.8"],
    ),
    "glue_qnli": (
        "qnli/train-00000-of-00001.parquet",
        {"question": "A?", "sentence": "B.", "label": 1, "idx": 0},
        ["not_entailment"],
    ),
    "glue_rte": (
        "rte/train-00000-of-00001.parquet",
        {"sentence1": "A.", "sentence2": "B.", "label": 0, "idx": 0},
        ["entailment"],
    ),
    "cb": (
        "cb/train-00000-of-00001.parquet",
        {"premise": "A.", "hypothesis": "B.", "idx": 0, "label": 1},
        ["contradiction"],
    ),
    "imdb": ("plain_text/train-00000-of-00001.parquet", {"text": "A film.", "label": 1}, ["positive"]),
    "vqa_v2": (
        "data/testdev-00000-of-00036.parquet",
        {
            "question_type": None,
            "multiple_choice_answer": None,
            "answers": None,
            "image_id": 262144,
            "answer_type": None,
            "question_id": 262144000,
            "question": "Is it?",
        },
        [],
    ),
    "gqa": (
        "test_balanced_instructions/test-00000-of-00001.parquet",
        {"id": "201971873", "imageId": "n15740", "question": "Is it blue?", "isBalanced": True},
        [],
    ),
}


@pytest.mark.parametrize("name", HUB)
def test_the_hubs_other_layouts(tmp_path, name):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file, record, targets = HUB[name]
    (tmp_path / file).parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / file)
    manifest = load_manifest(DATA / f"hub/{name}.yaml", root=str(tmp_path))
    folder, start = file.rsplit("/", 1)[0], file.rsplit("/", 1)[1].split("-")[0]
    split = next(s for s in manifest.splits.values() if s.files["table"] == [f"{folder}/{start}-*.parquet"])
    whole = split.model_copy(update={"count": None, "part": None})
    called = "x" if targets else "test"
    (row,) = load_rows(manifest.model_copy(update={"splits": {called: whole}}), called, tmp_path / "cache").to_list()
    assert row["targets"] == targets
