"""Captions as people have them: training rows, and the truth of the scorer."""

import pytest

from vlhyper.errors import UserError
from vlhyper.scoring import score

TWO = ["A dog, running .", "A brown dog ."]
FILES = {
    "Flickr8k.token.txt": f"10_a.jpg#0\t{TWO[0]}\n10_a.jpg#1\t{TWO[1]}\n36.jpg#0\tTwo men .\n",
    "captions.txt": f'image,caption\n10_a.jpg,"{TWO[0]}"\n10_a.jpg,{TWO[1]}\n36.jpg,Two men .\n',
    "unquoted.csv": f"image,caption\n10_a.jpg,{TWO[0]}\n10_a.jpg,{TWO[1]}\n36.jpg,Two men .\n",
    "excel.csv": f"Image;Caption\n10_a.jpg;{TWO[0]}\n10_a.jpg;{TWO[1]}\n36.jpg;Two men .\n",
    "results.csv": "image_name| comment_number| comment\n"
    f"10_a.jpg| 0| {TWO[0]}\n10_a.jpg| 1   {TWO[1]}\n36.jpg| 0| Two men .\n",
    "annotations.csv": 'raw,sentids,split,filename\n"[""A dog, running ."", ""A brown dog .""]",[0],train,10_a.jpg\n'
    '"[""Two men .""]",[1],test,36.jpg\n',
    "spaces.txt": f"10_a.jpg {TWO[0]}\n10_a.jpg {TWO[1]}\n\n36.jpg Two men .\n",
    "commas.txt": f'10_a.jpg,"{TWO[0]}"\n10_a.jpg,{TWO[1]}\n36.jpg,Two men .\n',
    "table.tsv": f"caption\tid\n{TWO[0]}\t10_a.jpg\n{TWO[1]}\t10_a.jpg\nTwo men .\t36.jpg\n",
    "lists.json": {"10_a.jpg": TWO, "36.jpg": "Two men ."},
    "objects.json": {"10_a.jpg": [{"caption": text} for text in TWO], "36.jpg": [{"caption": "Two men ."}]},
    # As what a pipe delivers is kept.
    "line.jsonl": '{"10_a.jpg": ["A dog, running .", "A brown dog ."], "36.jpg": "Two men ."}\n',
    "list.json": [
        {"image_id": "10_a.jpg", "caption": TWO[0]},
        {"image_id": "10_a.jpg", "caption": TWO[1]},
        {"image_id": "36.jpg", "caption": "Two men ."},
    ],
    "lines.jsonl": '{"image": "10_a.jpg", "captions": ["A dog, running .", "A brown dog ."]}\n'
    '{"image": "36.jpg", "caption": "Two men ."}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_each_layout_gives_rows_and_truth(put, rows, name):
    truth = put(name, FILES[name])
    found = rows("references", {"annotations": name})
    assert [(row["id"], row["image"], row["targets"]) for row in found] == [
        ("10_a.jpg", "10_a", TWO),
        ("36.jpg", "36", ["Two men ."]),
    ]
    given = put("p.json", [{"image_id": "10_a.jpg", "caption": "a dog"}, {"image_id": "36", "caption": "two men"}])
    report = score(
        "caption", predictions=put("q.json", [{"image_id": "10_a.jpg", "caption": "dog"}]), annotations=truth
    )
    assert (report.n, report.total) == (1, 2)
    with pytest.raises(UserError, match="1 ids are not in"):
        score("caption", predictions=given, annotations=truth)


@pytest.fixture(autouse=True)
def quick_metrics(monkeypatch):
    """Only what is matched is asked here: the real metrics take seconds."""
    from vlhyper.metrics.captions import scores
    from vlhyper.metrics.report import Report

    def report(ids, given, right, *_):
        return Report(
            "caption", len(ids), {"same": dict(zip(ids, zip(given, right, strict=True), strict=True))}, ids=ids
        )

    monkeypatch.setattr(scores, "caption_report", report)


@pytest.mark.parametrize("ids", [("10_a.jpg", "36.jpg"), ("10_a", "36")], ids=["names", "without ending"])
@pytest.mark.parametrize("name", ["Flickr8k.token.txt", "dataset_flickr30k.json", "captions_val.json"])
def test_predictions_may_name_the_image(put, name, ids, capsys):
    names = ("10_a.jpg", "36.jpg")
    images = [
        {"imgid": n, "filename": file, "split": "test", "sentences": [{"raw": "x"}]} for n, file in enumerate(names)
    ]
    coco = {
        "images": [{"id": n, "file_name": file} for n, file in enumerate(names)],
        "annotations": [{"image_id": n, "caption": "x"} for n in range(2)],
    }
    content = {"dataset_flickr30k.json": {"images": images}, "captions_val.json": coco} | FILES
    given = put("p.json", [{"image": id, "caption": f"c{n}"} for n, id in enumerate(ids)])
    report = score("caption", predictions=given, annotations=put(name, content[name]))
    known = list(names) if name == "Flickr8k.token.txt" else [0, 1]
    assert {id: pair[0] for id, pair in report.metrics["same"].items()} == dict(zip(known, ("c0", "c1"), strict=True))
    renamed = "the ids are names of images" in capsys.readouterr().err
    assert renamed == (name != "Flickr8k.token.txt" or ids[0] == "10_a")


def test_names_that_images_share_name_none(put):
    truth = put("r.json", {"a.jpg": "x", "a.png": "y"})
    with pytest.raises(UserError, match=r"1 ids are not in .*r\.json \(a\)"):
        score("caption", predictions=put("p.json", {"a": "c"}), annotations=truth)


def test_a_list_of_names_chooses_the_images(put, rows):
    put("tokens.txt", FILES["Flickr8k.token.txt"])
    put("Flickr_8k.testImages.txt", "36.jpg\n")
    files = {"annotations": "tokens.txt", "images": "Flickr_8k.testImages.txt"}
    assert [row["id"] for row in rows("references", files)] == ["36.jpg"]
    put("Flickr_8k.testImages.txt", "36.jpg\n37.jpg\n")
    with pytest.raises(UserError, match=r"testImages\.txt: 1 images have no caption in .*tokens\.txt \(37\.jpg\)"):
        rows("references", files)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("r.txt", "a.jpg#0\tA dog.\nalone\n", "line 2 has no image and caption: 'alone'"),
        ("r.tsv", "id\tcaption\na\tb\tc\n", ""),
        ("r.tsv", "caption\tid\na\tb\tc\n", "line 2 has 3 cells, 2 are expected"),
        (
            "r.csv",
            'image,caption\na,"A dog\nb,A cat\n',
            "line 3: unexpected end of data; save the table",
        ),
        ("r.csv", f"image,caption\na,{'x' * 200_000}\n", "line 2: field larger than field limit"),
        ("r.json", {"a": []}, r"record 1 \(a\) the value has no caption"),
        ("r.json", {"a": [3]}, r"record 1 \(a\) the value is a number; it must be a caption"),
        ("r.json", [{"image_id": "a"}], r"record 1 \(image_id a\) has no 'caption'"),
        ("r.txt", "", "is empty"),
    ],
)
def test_what_is_wrong_names_the_place(put, name, content, told):
    truth = put(name, content)
    if not told:
        assert score("caption", predictions=[{"image_id": "a", "caption": "x"}], annotations=truth).n == 1
        return
    with pytest.raises(UserError, match=rf"{name}: {told}"):
        score("caption", predictions=[{"image_id": "a", "caption": "x"}], annotations=truth)


def test_a_split_is_not_asked_of_files_that_have_none(put):
    with pytest.raises(UserError, match="this file has no splits; leave out --split"):
        score("caption", predictions=[], annotations=put("r.json", {"a": "x"}), split="test")


def test_ids_of_cocos_layout_may_be_texts(put, rows):
    content = {
        "images": [{"id": "tree/1 a", "file_name": "1.jpg"}],
        "annotations": [{"id": 1, "image_id": "tree/1 a", "caption": "A tree."}],
    }
    truth = put("c.json", content)
    assert [(row["id"], row["image"]) for row in rows("coco-captions", {"annotations": "c.json"})] == [
        ("tree/1 a", "1")
    ]
    given = put("p.json", [{"image_id": "tree/1 a", "caption": "a tree"}])
    assert score("caption", predictions=given, annotations=truth).ids == ["tree/1 a"]
