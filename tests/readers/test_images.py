import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlhyper.errors import UserError
from vlhyper.readers import match_images, require_all, resolve_image
from vlhyper.readers.images import check_template

COCO = ["COCO_train2014_{id:012d}", "COCO_val2014_{id:012d}", "{id:012d}", "{id}"]


@pytest.mark.parametrize(
    ("raw", "templates", "key"),
    [
        ("458752", COCO, "COCO_val2014_000000458752"),
        ("COCO_val2014_000000458752", ["{id}"], "COCO_val2014_000000458752"),
        ("COCO_val2014_000000139", ["{id:012d}"], "000000000139"),
        ("000000000139", ["{id}"], "000000000139"),
        ("n161313", ["{id:012d}", "{id}"], "n161313"),
        ("2375429", ["{id}"], "2375429"),
        ("99", COCO, None),
    ],
)
def test_the_first_template_that_leads_to_a_known_id_counts(raw, templates, key):
    known = {"COCO_val2014_000000458752", "000000000139", "n161313", "2375429"}
    assert resolve_image(raw, templates, known) == key


def test_the_number_of_another_kind_of_id_is_not_taken():
    """GQA's n161313 is another picture than Visual Genome's 161313."""
    assert resolve_image("n161313", ["{id:d}"], {"161313"}) is None


@given(st.integers(0, 10**12 - 1))
def test_a_number_is_found_again_in_every_spelling(number):
    key = f"{number:012d}"
    spellings = [str(number), key, f"COCO_train2014_{key}"]
    assert [resolve_image(raw, ["{id:012d}"], {key}) for raw in spellings] == [key] * 3


def test_matches_say_which_template_was_used_and_what_is_missing():
    matches = match_images(["1", "2", "1", "3"], ["a_{id}", "b_{id:02d}"], {"a_1", "b_02"})
    assert matches.keys == {"1": "a_1", "2": "b_02"}
    assert matches.used == {"a_{id}": 1, "b_{id:02d}": 1}
    assert matches.missing == ["3"]
    with pytest.raises(UserError, match=r"vqa, split val: 1 images have no features \(3\); tried a_3, b_03 for 3"):
        require_all(matches, ["a_{id}", "b_{id:02d}"], "vqa, split val", ["a_1", "b_02"], "val")


def test_nothing_missing_is_no_error():
    require_all(match_images(["1"], ["{id}"], {"1"}), ["{id}"], "vqa", ["1"], "val")


@pytest.mark.parametrize("template", ["{image}", "{id:012q}", "{}", "{id", "{id.name}"])
def test_what_is_no_template_is_refused(template):
    with pytest.raises(UserError, match="image_key"):
        check_template(template)
