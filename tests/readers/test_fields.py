import pytest

from vlhyper.readers.fields import FieldError, ident, items, make_row, text


@pytest.mark.parametrize(("found", "written"), [(7, "7"), ("07333408", "07333408")])
def test_ids_are_text_whatever_the_file_writes(found, written):
    assert ident({"id": found}, "id") == written


@pytest.mark.parametrize("wrong", [True, None, 1.0, "", [], {}])
def test_what_is_no_id_is_refused(wrong):
    with pytest.raises(FieldError, match="'id' must be an id"):
        ident({"id": wrong}, "id")


def test_a_missing_key_is_named_with_those_there_are():
    with pytest.raises(FieldError, match="has no 'question'; its keys are 'sent', 'img_id'"):
        text({"sent": "Why?", "img_id": "1"}, "question")


@pytest.mark.parametrize("record", [None, 3, "text", ["question"]])
def test_a_record_must_be_an_object(record):
    with pytest.raises(FieldError, match="must be a JSON object"):
        text(record, "question")


def test_a_long_value_is_shown_short():
    with pytest.raises(FieldError) as error:
        items({"answers": "x" * 5000}, "answers")
    assert len(str(error.value)) < 120


def test_targets_count_one_each_unless_weighed():
    assert make_row("1", "", ["a", "b"])["weights"] == [1.0, 1.0]
    assert make_row("1", "", ["a", "b"], [1.0, 0.3])["weights"] == [1.0, 0.3]


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_target_is_none(blank):
    row = make_row("1", "", [blank, "b"], [1.0, 0.3])
    assert (row["targets"], row["weights"]) == (["b"], [0.3])
    assert make_row("1", "", [blank])["targets"] == []
