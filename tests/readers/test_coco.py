import pytest

from vlhyper.errors import UserError


def image(split: str, number: int, captions: int = 2) -> dict:
    sentences = [{"raw": f"A {split} picture {n}. ", "tokens": ["a"], "sentid": n} for n in range(captions)]
    name = f"COCO_val2014_{number:012d}.jpg"
    return {"split": split, "cocoid": number, "filename": name, "filepath": "val2014", "sentences": sentences}


OFFICIAL = {
    "images": [
        {"id": 391895, "file_name": "COCO_val2014_000000391895.jpg"},
        {"id": 5, "file_name": "000000000005.jpg"},
    ],
    "annotations": [
        {"id": 1, "image_id": 5, "caption": "A dog.\n"},
        {"id": 2, "image_id": 391895, "caption": "A man riding a bike."},
        {"id": 3, "image_id": 5, "caption": "One dog."},
    ],
}


def test_a_row_is_an_image_with_all_its_wordings(put, rows):
    put("captions_val2014.json", OFFICIAL)
    assert rows("coco-captions", {"annotations": "captions_val2014.json"}) == [
        {
            "id": "391895",
            "image": "COCO_val2014_000000391895",
            "targets": ["A man riding a bike."],
            "weights": [1.0],
        },
        {"id": "5", "image": "000000000005", "targets": ["A dog.", "One dog."], "weights": [1.0, 1.0]},
    ]


def test_test_images_have_no_captions(put, rows):
    put("image_info_test2014.json", {"images": OFFICIAL["images"]})
    assert [row["targets"] for row in rows("coco-captions", {"annotations": "image_info_test2014.json"})] == [[], []]


def test_captions_of_unlisted_images_are_named(put, rows):
    put("c.json", {**OFFICIAL, "images": OFFICIAL["images"][:1]})
    with pytest.raises(UserError, match=r"c\.json: captions of images that are not listed \(image_id 5\)"):
        rows("coco-captions", {"annotations": "c.json"})


def test_restval_belongs_to_train(put, rows):
    put(
        "d.json",
        {"images": [image("train", 1), image("restval", 2), image("val", 3), image("test", 4)], "dataset": "coco"},
    )
    found = {
        subset: [row["id"] for row in rows("karpathy", {"annotations": "d.json"}, split={"subset": subset})]
        for subset in ("train", "val", "test")
    }
    assert found == {"train": ["1", "2"], "val": ["3"], "test": ["4"]}


def test_karpathys_rows(put, rows):
    put("d.json", {"images": [image("test", 391895)]})
    assert rows("karpathy", {"annotations": "d.json"}, split={"subset": "test"}) == [
        {
            "id": "391895",
            "image": "COCO_val2014_000000391895",
            "targets": ["A test picture 0.", "A test picture 1."],
            "weights": [1.0, 1.0],
        }
    ]


def test_flickr_images_have_a_running_number(put, rows):
    flickr = {"split": "train", "imgid": 0, "filename": "1000092795.jpg", "sentences": [{"raw": "Two men."}]}
    put("dataset_flickr30k.json", {"images": [flickr]})
    found = rows("karpathy", {"annotations": "dataset_flickr30k.json"}, split={"subset": "train"})
    assert (found[0]["id"], found[0]["image"]) == ("0", "1000092795")


def test_a_wrong_image_is_named(put, rows):
    put("d.json", {"images": [image("train", 1), {"split": "train", "cocoid": 7, "filename": "x.jpg"}]})
    with pytest.raises(UserError, match=r"d\.json: record 2 \(cocoid 7\) has no 'sentences'"):
        rows("karpathy", {"annotations": "d.json"}, split={"subset": "train"})


def test_real_captions(shared, rows):
    found = rows("coco-captions", {"annotations": "captions_val2017_mini.json"}, root=str(shared / "coco"))
    assert (len(found), sum(len(row["targets"]) for row in found)) == (79, 395)
    assert found[0]["image"] == f"{int(found[0]['id']):012d}"
