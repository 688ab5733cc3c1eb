from pathlib import Path

import pytest
import yaml

from vlhyper.errors import UserError
from vlhyper.readers import load_manifest

MINE = {
    "name": "mine",
    "format": "vqa",
    "root": "files",
    "image_key": ["COCO_{split}_{id:012d}", "{id:012d}"],
    "splits": {
        "val": {"files": {"questions": "q.json", "annotations": ["a.json"]}, "image_split": "val2014", "count": 3}
    },
    "sources": {"q.json": {"url": "https://example.org/q.zip", "inside": "v2/q.json", "archive_bytes": 1234}},
}


GQA = {"val": {"files": {"questions": "q.json"}}}


def changed(**changes) -> dict:
    return {**MINE, **changes}


def split(**changes) -> dict:
    return changed(splits={"val": {**MINE["splits"]["val"], **changes}})


def test_a_file_and_the_same_mapping_in_a_config_are_one(tmp_path):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/mine.yaml").write_text(yaml.safe_dump(MINE))
    assert load_manifest("sets/mine.yaml", tmp_path) == load_manifest(MINE, tmp_path / "sets")


def test_paths_are_relative_to_root_and_root_to_the_manifest(tmp_path):
    source = load_manifest(MINE, tmp_path).source("val")
    assert source.files == {
        "questions": (tmp_path / "files/q.json",),
        "annotations": (tmp_path / "files/a.json",),
    }


@pytest.mark.parametrize(("setting", "root"), [("/sets", "/sets/vqa"), ("", "{folder}/vqa")])
def test_the_folder_of_all_data_sets(tmp_path, monkeypatch, setting, root):
    monkeypatch.setenv("VLHYPER_DATA", setting)
    found = load_manifest(changed(root="$VLHYPER_DATA/vqa"), tmp_path)
    assert found.root == root.format(folder=tmp_path)


def test_an_own_root_replaces_the_manifests(tmp_path):
    assert load_manifest(MINE, tmp_path, root="/elsewhere").root == "/elsewhere"


def test_the_splits_name_fills_the_template():
    assert load_manifest(MINE).image_templates("val") == ["COCO_val2014_{id:012d}", "{id:012d}"]
    assert load_manifest(split(image_split=None)).image_templates("val")[0] == "COCO_val_{id:012d}"


def test_missing_files_say_where_to_get_them(tmp_path):
    lines = load_manifest(changed(homepage="https://example.org"), tmp_path).missing("val")
    assert lines == [
        f"{tmp_path}/files/q.json is missing; get it from https://example.org/q.zip (v2/q.json in it, 1,234 bytes)",
        f"{tmp_path}/files/a.json is missing; https://example.org tells where to get it",
    ]


def test_labels_are_text_whatever_yaml_makes_of_them():
    table = {"name": "t", "format": "table", "fields": {"label": 0}, "splits": {"x": {"files": {"table": "t.tsv"}}}}
    content = yaml.safe_load("labels: {0: no, 2: entailment, true: 'True'}")
    assert load_manifest({**table, **content}).labels == {"0": "False", "2": "entailment", "True": "True"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (changed(fromat="vqa"), "unknown key 'fromat'; did you mean 'format'?"),
        (split(file={}), "unknown key 'splits.val.file'; did you mean 'files'?"),
        (changed(sources={"q.json": {"uri": "x"}}), "unknown key 'sources.q.json.uri'; did you mean 'url'?"),
        (changed(format="vqa2"), "unknown format 'vqa2'; did you mean 'vqa'?"),
        (split(files={"question": "q"}), "format vqa has no files 'question'; did you mean 'questions'?"),
        (split(files={"annotations": "a"}), "split val: format vqa needs files 'questions'"),
        (changed(format="karpathy", splits={"val": {"files": {"annotations": "a"}}}), "format karpathy needs 'subset'"),
        (changed(fields={"a": 1}), "split val: format vqa does not know 'fields'"),
        (changed(format="gqa", answers="raw", splits=GQA), "split val: format gqa does not know 'answers'"),
        ({**MINE, "name": "mine: a/b"}, "name: string should match pattern"),
        (split(subset="val"), "'subset' and the files 'karpathy' belong together"),
        (split(part="half"), "splits.val.part: input should be 'first-half'"),
        (split(count=0), "splits.val.count: input should be greater than 0"),
        (changed(splits={}), "splits: "),
        (changed(image_key="{image}"), "image_key '{image}' cannot be filled"),
        (changed(format="table"), "format table has no files 'questions'"),
        ({"name": "mine", "format": "table", "fields": {"a": 1}, "splits": {"x": {}}}, "names neither files nor"),
    ],
)
def test_a_wrong_manifest_is_one_line(content, said):
    with pytest.raises(UserError) as error:
        load_manifest(content)
    assert said in str(error.value)
    assert str(error.value).startswith("manifest mine: ")
    assert "\n" not in str(error.value)


def test_an_unknown_split_is_refused():
    with pytest.raises(UserError, match="mine: unknown split 'vall'; did you mean 'val'"):
        load_manifest(MINE).split("vall")


def test_files_that_are_no_manifest(tmp_path):
    (tmp_path / "a.yaml").write_text("- 1\n")
    (tmp_path / "b.yaml").write_text("name: [\n")
    with pytest.raises(UserError, match=r"a\.yaml: a manifest must be a mapping"):
        load_manifest("a.yaml", tmp_path)
    with pytest.raises(UserError, match=r"b\.yaml: not YAML"):
        load_manifest("b.yaml", tmp_path)
    with pytest.raises(UserError, match="no such file"):
        load_manifest(Path("c.yaml"), tmp_path)


@pytest.mark.parametrize("name", ["val [v2].json", "what?.json", "a*b.json", "$HOME.json"])
def test_a_name_is_a_name_before_it_is_a_pattern(tmp_path, name):
    from vlhyper.readers.source import expand

    (tmp_path / name).write_text("[]")
    assert expand(tmp_path / name) == [tmp_path / name]
    for part in ("v-1.json", "v-2.json"):
        (tmp_path / part).write_text("[]")
    assert expand(tmp_path / "v-*.json") == [tmp_path / "v-1.json", tmp_path / "v-2.json"]
    assert expand(tmp_path / "none-*.json") == []
