"""CHAIR by hand, from the authors' rules, and from files in COCO's layouts."""

import json

import pytest

from vlhyper.errors import UserError
from vlhyper.metrics.captions.chair import objects_in
from vlhyper.metrics.captions.coco_words import OBJECT_OF, PAIRS, WORDS
from vlhyper.scoring import score

NAMED = {
    "Two Puppies sit on a couch.": ["dog", "couch"],
    "A man, a woman and children.": ["person"] * 3,
    "A hot dog and a dog.": ["hot dog", "dog"],
    "A baby elephant": ["elephant"],
    "a baby": ["person"],
    "A passenger train near the train tracks": ["train"],
    "The seat of the toilet": ["toilet"],
    "A toilet seat": ["toilet"],
    "a seat": ["chair"],
    "Wine glasses and a wine glass": ["wine glass", "wine glass"],
    "a tennis racket": ["tennis racket"],
    "He wears a bow tie and ties": ["tie"],
    # Singulars by rule: the bus ends in an s.
    "a bus": [],
    "two buses, airbuses and minibuses": ["bus", "airplane", "bus"],
    "a collie, two collies": ["dog"],
    "He holds a knife.The dog": ["dog"],
    "There is a dog. It is a dog! A dog?": ["dog"] * 3,
    'He said "a dog." Then a cat.': ["dog", "cat"],
    "a dog/cat": [],
    "the dog's bowl": ["dog", "bowl"],
    "a street light by a light": ["traffic light"],
    "a laptop computer": ["laptop"],
    "cheesecake": [],
    "": [],
}
INSTANCES = {
    "images": [{"id": id, "file_name": f"COCO_val2014_{id:012d}.jpg"} for id in (5, 7, 9)],
    "categories": [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 18, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 5, "category_id": 18, "bbox": [0, 0, 1, 1], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 1, "segmentation": []},
    ],
}
REFERENCES = {"5": ["A pug on a sofa."], "7": ["Someone swims.", "A boat."], "9": ["Grass."]}
CAPTIONS = {5: "A dog on a couch with a cat and cats", 7: "A man in a boat", 9: "A green field"}


@pytest.mark.parametrize("caption", NAMED)
def test_the_objects_that_a_caption_names(caption):
    assert objects_in(caption) == NAMED[caption]


def test_the_80_categories_and_no_word_twice():
    assert len(WORDS) == 80 and len(OBJECT_OF) == sum(1 + len(words) for words in WORDS.values())
    assert len(PAIRS) == 25 + 2 * 12 + 2 + 3


@pytest.fixture
def files(tmp_path):
    for name, content in (("r", REFERENCES), ("i", INSTANCES)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    given = [{"image_id": id, "caption": text} for id, text in CAPTIONS.items()]
    return {"predictions": given, "annotations": tmp_path / "r.json", "instances": tmp_path / "i.json"}


def test_from_files(files, tmp_path):
    report = score("caption", metrics="chair", confidence=True, **files)
    # Two cats of six objects, in one of three captions; the couch is in a reference alone, the dog in both.
    assert report.metrics == {"CHAIRs": pytest.approx(100 / 3), "CHAIRi": pytest.approx(200 / 6)}
    assert report.items == {"CHAIRs": [100.0, 0.0, 0.0], "CHAIRi": [50.0, 0.0, 0.0]}
    assert set(report.to_json()["confidence"]["intervals"]) == {"CHAIRs", "CHAIRi"}
    (tmp_path / "i2.json").write_text(json.dumps({**INSTANCES, "annotations": [], "images": [{"id": 11}]}))
    files["instances"] = tmp_path / "i*.json"
    assert score("caption", metrics="chair", **files).metrics == report.metrics


def test_captions_without_objects_have_no_share(files):
    files["predictions"] = [{"image_id": 9, "caption": "nothing"}]
    report = score("caption", metrics="chair", **files)
    assert report.metrics == {"CHAIRs": 0.0} and report.skipped == {"CHAIRi": "no caption names an object of COCO"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": [{"id": 5}]}, r"2 of 3 images are not in it \(7, 9\); give the instances file of their split"),
        ({"categories": [{"id": 1, "name": "cup of tea"}]}, "cup of tea is no category of COCO"),
        ({"annotations": [{"image_id": 5, "category_id": 3}]}, "record 1 .*KeyError"),
        ({"annotations": [{"category_id": 1}]}, "has no 'image_id'"),
    ],
)
def test_what_is_wrong_is_one_line(files, change, words):
    files["instances"].write_text(json.dumps({**INSTANCES, **change}))
    with pytest.raises(UserError, match=words) as refusal:
        score("caption", metrics="chair", **files)
    assert "i.json" in str(refusal.value) and "\n" not in str(refusal.value)


def test_what_it_needs_is_said(files, monkeypatch):
    del files["instances"]
    with pytest.raises(UserError, match="chair of captions needs --instances, COCO's instances_val2014"):
        score("caption", metrics="chair", **files)
