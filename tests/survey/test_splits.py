"""Which file is which split, and what a run does with each."""

from pathlib import Path

import pytest

from vlhyper.survey.splits import Rows, Split, assigned, split_in


@pytest.mark.parametrize(
    ("path", "split", "rest"),
    [
        ("v2_OpenEnded_mscoco_val2014_questions.json", "val2014", "v2"),
        ("v2_OpenEnded_mscoco_test-dev2015_questions.json", "test-dev2015", "v2"),
        ("captions_train2017.json", "train2017", ""),
        ("testdev_balanced_questions.json", "testdev", "balanced"),
        ("Flickr_8k.trainImages.txt", "train", "flickr_8k_images"),
        ("vqav2_smallval_annotations.json", "val", "vqav2_small"),
        ("aokvqa_v1p0_train.json", "train", "aokvqa_v1p0"),
        ("minival.json", "minival", ""),
        ("mine/dev/questions.json", "dev", ""),
        ("mine/questions.csv", "", ""),
    ],
)
def test_the_split_is_in_the_name_of_the_file_or_its_folder(path, split, rest):
    assert split_in(Path("sets", path)) == (split, rest)


def split(written: str, rows: int, usable: int | None = None) -> Split:
    ids = [f"{written}{number}" for number in range(rows)]
    known = [number < (rows if usable is None else usable) for number in range(rows)]
    return Split(written, {"questions": [Path(f"{written}.json")]}, Rows(ids, ids, known))


def sizes(*splits: Split) -> dict[str, int]:
    return {name: one.size for name, one in assigned(list(splits)).items()}


def test_splits_are_used_as_they_are_called():
    assert sizes(split("test2015", 3), split("val2014", 5), split("train2014", 9)) == {"train": 9, "val": 5, "test": 3}


def test_a_split_without_answers_stays_for_the_test_server():
    assert sizes(split("train", 9), split("val", 5), split("test-dev", 4, 0)) == {"train": 9, "val": 5, "test-dev": 0}


@pytest.mark.parametrize("written", ["", "train", "val2014", "test"])
def test_of_one_split_a_tenth_is_held_out(written):
    found = assigned([split(written, 60)])
    assert list(found) == ["train", "val"] and found["val"].size == 6 and found["train"].size == 54
    assert not set(found["train"].rows.ids) & set(found["val"].rows.ids)
    assert [one.options for one in found.values()] == [
        {"part": "all-but-held-out", "held_out": 6},
        {"part": "held-out", "held_out": 6},
    ]


def test_both_parts_have_something_to_learn_from_where_that_can_be():
    assert all(sizes(split("val", 40, usable)).values() for usable in range(2, 40))
    assert sizes(split("val", 40, 1)) == sizes(split("val", 1)) == {"train": 1}
    assert sizes(split("val", 40, 0)) == {}


def test_val_is_learnt_from_where_there_is_no_train_and_test_is_left_alone():
    assert sizes(split("val", 20), split("test", 8)) == {"train": 18, "val": 2, "test": 8}
