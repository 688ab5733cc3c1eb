import json

import pytest

from vlhyper.errors import UserError

LINE = {
    "Flikr30kID": "4705552913",
    "gold_label": "neutral",
    "sentence1": "Two women hug.",
    "sentence2": "The women are sisters.",
    "pairID": "4705552913.jpg#2r1n",
}
OTHER = {key: value for key, value in LINE.items() if key != "Flikr30kID"}


@pytest.fixture
def read(put, rows):
    def lines(*records) -> list[dict]:
        put("ve.jsonl", "".join(f"{json.dumps(record)}\n" for record in records))
        return rows("snli-ve", {"annotations": "ve.jsonl"})

    return lines


@pytest.mark.parametrize("key", ["Flikr30kID", "Flickr30K_ID"])
@pytest.mark.parametrize("ending", ["", ".jpg"])
def test_every_spelling_of_the_image(read, key, ending):
    assert read({**OTHER, key: f"4705552913{ending}"}) == [
        {
            "id": "4705552913.jpg#2r1n",
            "image": "4705552913",
            "hypothesis": "The women are sisters.",
            "targets": ["neutral"],
            "weights": [1.0],
        }
    ]


def test_pairs_without_agreement_are_dropped(read):
    assert len(read(LINE, {**LINE, "pairID": "2", "gold_label": "-"})) == 1


def test_without_a_label_there_is_no_target(read):
    assert read({key: value for key, value in LINE.items() if key != "gold_label"})[0]["targets"] == []


def test_a_label_of_null_is_hidden(read):
    assert read({**LINE, "gold_label": None})[0]["targets"] == []


@pytest.mark.parametrize("wrong", [{}, [], 0, False])
def test_no_other_value_hides_a_label(read, wrong):
    with pytest.raises(UserError, match=r"record 1 .* 'gold_label' must be entailment, neutral, contradiction or -"):
        read({**LINE, "gold_label": wrong})


def test_a_wrong_label_and_a_missing_image_are_named(read):
    with pytest.raises(UserError, match=r"ve\.jsonl: record 2 \(pairID x\) 'gold_label' must be .* is 'maybe'"):
        read(LINE, {**LINE, "pairID": "x", "gold_label": "maybe"})
    with pytest.raises(UserError, match="has no image; its key is 'Flikr30kID' or 'Flickr30K_ID'"):
        read(OTHER)


def test_real_lines(shared, rows):
    found = rows("snli-ve", {"annotations": "sample.jsonl"}, root=str(shared / "snli_ve"))
    assert (len(found), found[0]["image"], found[0]["targets"]) == (5, "555378351", ["entailment"])
