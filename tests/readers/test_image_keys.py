"""Templates found from the ids of annotations and features, and what an error says of them."""

import pytest

from vlhyper.errors import UserError
from vlhyper.readers import match_images, require_all
from vlhyper.readers.image_keys import best_of, found_by

PADDED = [f"{number:012d}" for number in (42, 139, 581929)]


@pytest.mark.parametrize(
    ("raw", "known", "best"),
    [
        (["42", "139"], PADDED, ["{id:012d}"]),
        (["42", "139"], [f"COCO_train2014_{key}" for key in PADDED], ["COCO_{split}2014_{id:012d}"]),
        (["42", "139"], [f"COCO_val2014_{key}" for key in PADDED], ["COCO_val2014_{id:012d}"]),
        (["COCO_train2014_000000000042"], PADDED, ["{id:012d}"]),
        (["142", "139"], ["x142", "x139", "x7"], ["x{id:d}"]),
        (["142", "7"], ["x142", "x007"], ["x{id:03d}"]),
        (["1", "2"], ["{1}.s", "{2}.s"], ["{{{id:d}}}.s"]),
        (["1", "2"], ["a_1", "a_2", "b_1", "b_2"], ["a_{id:d}", "b_{id:d}"]),
        (["1", "2"], ["train_1", "train_2", "val_1", "val_2"], ["{split}_{id:d}"]),
        (["n42"], PADDED, []),
        (["7"], PADDED, []),
    ],
)
def test_the_template_is_found_from_the_ids_of_both_sides(raw, known, best):
    assert best_of(found_by(raw, known, "train")) == best


def test_a_template_is_counted_over_all_ids():
    counts = found_by(
        [str(number) for number in range(1000)], [f"i{number:04d}" for number in range(0, 1000, 2)], "val"
    )
    assert counts == {"i{id:04d}": 500}


def test_where_no_image_is_found_the_error_says_what_would_find_them():
    matches = match_images(["42", "139"], ["{id}"], PADDED)
    with pytest.raises(UserError) as refusal:
        require_all(matches, ["{id}"], "vqa, split val", PADDED, "val")
    assert str(refusal.value) == (
        "vqa, split val: none of its 2 images has features; tried 42 for 42; the feature file holds ids such as "
        "000000000042, 000000000139, 000000581929; try image_key: '{id:012d}'"
    )
    with pytest.raises(UserError, match=r"are they of another data set\?$"):
        require_all(matches, ["{id}"], "vqa", ["x", "y"], "val")
