"""Rows are left out whose images another split is tested on, also where the two data sets number images differently."""

import pytest
import yaml

from vlhyper.errors import UserError
from vlhyper.readers import left_out, load_manifest, load_rows

QAS = [
    {"id": n, "qas": [{"qa_id": 10 * n + k, "question": "?", "answer": "Yes."} for k in (0, 1)]} for n in range(1, 6)
]
# Pictures 2, 3 and 4 are COCO's too.
IMAGES = [{"image_id": n, "coco_id": {2: 42, 3: 73, 4: 74}.get(n), "flickr_id": None} for n in range(1, 6)]
SPLIT_OF = {42: "test", 73: "restval", 74: "val"}
THROUGH = {"file": "image_data.json", "id": "image_id", "other": "coco_id"}
EXCLUDE = {"manifest": "sets/captions.yaml", "splits": ["val", "test"], "through": THROUGH}


@pytest.fixture
def genome(put, tmp_path):
    """genome(*exclude): the manifest of five pictures with two questions each, and those of their sisters in COCO."""
    put("qas.json", QAS)
    put("image_data.json", IMAGES)
    images = [
        {"cocoid": id, "filename": f"COCO_val2014_{id:012d}.jpg", "split": split, "sentences": [{"raw": "a dog"}]}
        for id, split in SPLIT_OF.items()
    ]
    put("sets/dataset_coco.json", {"images": images})
    splits = {
        name: {"files": {"annotations": "dataset_coco.json"}, "subset": name} for name in ("train", "val", "test")
    }
    put("sets/captions.yaml", yaml.safe_dump({"name": "captions", "format": "karpathy", "splits": splits}))

    def make(*exclude, **split):
        settings = {"files": {"questions": "qas.json"}, "exclude": list(exclude), **split}
        return load_manifest({"name": "vg", "format": "visual-genome", "splits": {"train": settings}}, tmp_path)

    return make


def images_of(manifest, tmp_path):
    return sorted(set(load_rows(manifest, "train", tmp_path / "cache")["image"]))


def test_images_of_other_splits_are_left_out_and_counted(genome, tmp_path):
    mine = genome(EXCLUDE, count=6)
    assert images_of(mine, tmp_path) == ["1", "3", "5"]
    assert left_out(mine, "train", 6, tmp_path / "cache") == 4
    assert images_of(genome(), tmp_path) == ["1", "2", "3", "4", "5"]
    assert left_out(genome(), "train", 9, tmp_path / "cache") == 0
    with pytest.raises(UserError, match="6 rows, but the manifest says 10"):
        images_of(genome(EXCLUDE, count=10), tmp_path)


def test_a_file_of_ids_and_several_entries(genome, put, tmp_path):
    put("ids.txt", "vg_5\n\n000001\n")
    assert images_of(genome({"ids": "ids.txt"}), tmp_path) == ["2", "3", "4"]
    assert images_of(genome({"ids": "ids.txt"}, EXCLUDE), tmp_path) == ["3"]


def test_another_list_of_images_is_seen_though_the_rows_are_cached(genome, put, tmp_path):
    assert images_of(genome(EXCLUDE), tmp_path) == ["1", "3", "5"]
    put("image_data.json", [{"image_id": 5, "coco_id": 42}])
    assert images_of(genome(EXCLUDE), tmp_path) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("exclude", "fault"),
    [
        ({"ids": "none.txt"}, r"none\.txt is missing"),
        ({**EXCLUDE, "through": {**THROUGH, "file": "none.json"}}, r"none\.json is missing"),
        ({**EXCLUDE, "splits": "tset"}, "captions: unknown split 'tset'; did you mean 'test'?"),
        ({**EXCLUDE, "manifest": "none.yaml"}, r"none\.yaml: no such file"),
        ({**EXCLUDE, "through": {**THROUGH, "other": "cocoid"}}, r"image_data\.json: record 1 .* has no 'cocoid'"),
        ({"ids": "all.txt"}, "vg, split train: all rows are left out by `exclude`"),
    ],
)
def test_what_prevents_it_is_one_line(genome, put, tmp_path, exclude, fault):
    put("all.txt", "1\n2\n3\n4\n5\n")
    with pytest.raises(UserError, match=fault) as refusal:
        images_of(genome(exclude), tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("exclude", [{}, {"manifest": "x.yaml"}, {"splits": "val"}, {"manifest": "x", "ids": "y"}])
def test_an_entry_names_splits_or_a_file(genome, exclude):
    with pytest.raises(UserError, match="name a manifest with its splits, or a file of ids"):
        genome(exclude)
