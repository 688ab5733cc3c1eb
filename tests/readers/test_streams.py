import json
from typing import Any

import pytest
from typing_extensions import NotRequired, TypedDict

from vlhyper.errors import UserError
from vlhyper.readers.streams import json_items, json_lines, json_members, text_lines


def test_list_at_the_top_and_under_a_key(put):
    assert list(json_items(put("a.json", [1, 2]))) == [1, 2]
    assert list(json_items(put("b.json", {"info": {}, "questions": [{"a": 0.5}]}), "questions")) == [{"a": 0.5}]


def test_members_of_an_object(put):
    assert list(json_members(put("a.json", {"1": {"x": 1}, "2": {"x": 2}}))) == [("1", {"x": 1}), ("2", {"x": 2})]


class Wanted(TypedDict):
    a: Any
    b: NotRequired[Any]


def test_only_what_is_wanted_is_decoded(put):
    records = [{"a": 1, "c": 5}, {"c": 5, "b": None, "a": "x"}]
    assert list(json_items(put("a.json", records), form=Wanted)) == [{"a": 1}, {"b": None, "a": "x"}]
    assert list(json_members(put("b.json", {"k": records[0]}), form=Wanted)) == [("k", {"a": 1})]


def test_of_a_record_without_what_is_wanted_all_is_given(put):
    """So that an error can tell the keys there are; the record's neighbours are not touched."""
    records = [{"a": 1, "c": 5}, {"c": 5, "d": 6}, None, {"a": 2, "c": 7}]
    assert list(json_items(put("a.json", records), form=Wanted)) == [{"a": 1}, {"c": 5, "d": 6}, None, {"a": 2}]


def test_a_byte_order_mark_is_passed_over(put):
    assert list(json_items(put("a.json", "\ufeff[1]"))) == [1]
    assert list(json_lines(put("a.jsonl", '\ufeff{"a": 1}\n\n{"a": 2}\n'))) == [{"a": 1}, {"a": 2}]


def test_only_a_newline_ends_a_line(put):
    texts = ["one\u2028still one", "two\x0cstill\x85two"]
    path = put("a.jsonl", "\n".join(json.dumps(text, ensure_ascii=False) for text in texts))
    assert list(json_lines(path)) == texts
    assert [line for _, line in text_lines(put("b.tsv", "a\tb\r\nc\td"))] == ["a\tb", "c\td"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        (" " * 5000, "is empty"),
        ("[1]", "is a list; this format is an object"),
        ("hello", "is not a JSON file"),
        ('{"annotations": []}', "has no list 'questions'; its keys are annotations"),
        ('{"questions": [{"a": 1}, {"b"', "broken off or not JSON after record 1"),
        ('{"questions": [{"a": 1}, }', "after record 1"),
        ('{"questions": [{"a": 1}, ]}', "after record 1: nothing before or after a comma"),
        ('{"questions": [, {"a": 1}]}', "after record 0: nothing before or after a comma"),
        ('{"questions": [{"a": 1},, {"a": 2}]}', "after record 1: nothing before or after a comma"),
        ('{"questions": [{"a": 1} {"a": 2}]}', "after record 0"),
        ('{"questions": {"a": 1}}', "has no list 'questions'; its keys are questions"),
        ('{"questions": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_json_file_is_one_line_that_names_it(put, content, said):
    path = put("q.json", content)
    with pytest.raises(UserError) as error:
        list(json_items(path, "questions"))
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_object_where_a_list_belongs_and_the_reverse(put):
    with pytest.raises(UserError, match="is an object; this format is a list"):
        list(json_items(put("a.json", {})))
    with pytest.raises(UserError, match="is a list; this format is an object"):
        list(json_members(put("b.json", [])))


def test_an_empty_list_is_no_fault_of_the_file(put):
    assert list(json_items(put("a.json", {"questions": []}), "questions")) == []


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(UserError, match=r"a\.tsv: line 2 is not UTF-8"):
        list(text_lines(path))
    path.write_bytes(b'["caf\xe9"]')
    with pytest.raises(UserError, match=r"a\.tsv"):
        list(json_items(path))


def test_a_bad_line_is_named(put):
    path = put("a.jsonl", '{"a": 1}\n{"a": \n')
    with pytest.raises(UserError, match=r"a\.jsonl: line 2 is not JSON"):
        list(json_lines(path))


def test_a_number_of_thousands_of_digits_is_named_with_its_line(put):
    path = put("a.jsonl", '{"a": 1}\n{"a": %s}\n' % ("9" * 5000))
    with pytest.raises(UserError, match=r"a\.jsonl: line 2: a number has thousands of digits; correct it"):
        list(json_lines(path))
    with pytest.raises(UserError, match=r"b\.json: .*after record 1"):
        list(json_items(put("b.json", "[1, %s]" % ("9" * 5000))))


def test_any_number_of_blanks_may_stand_before_the_first_bracket(put):
    assert list(json_items(put("a.json", " \n" * 5000 + "[1, 2]"))) == [1, 2]


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        list(json_items(tmp_path / "absent.json"))
    with pytest.raises(UserError, match="is a folder"):
        list(json_lines(tmp_path))
