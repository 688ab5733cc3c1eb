"""Cutting JSON into records without decoding it, against `json` as the oracle and with blocks of any size."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlhyper.readers import members as module
from vlhyper.readers.members import BrokenFile, NoSuchList, members, split

texts = st.text(alphabet=[*'ab"\\[]{},: \n', "é", "\u2028"], max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner), max_leaves=12)
written = st.fixed_dictionaries({"indent": st.sampled_from([None, 1]), "ensure_ascii": st.booleans()})
blocks = st.integers(1, 40)


def cut(content: str, block: int, key: str | None = None) -> list[bytes]:
    """The members of a file that is read `block` bytes at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = list(members(io.BytesIO(content.encode()), key))
    singles = [split(piece.text) for piece in found]
    assert [len(some) for some in singles] == [piece.number for piece in found]
    return [member for some in singles for member in some]


@settings(deadline=None)
@given(st.lists(values, max_size=5), written, blocks)
def test_the_members_of_a_list(value, style, block):
    assert [json.loads(member) for member in cut(json.dumps(value, **style), block)] == value


@settings(deadline=None)
@given(st.dictionaries(texts, values, max_size=5), written, blocks)
def test_the_members_of_an_object(value, style, block):
    found = [json.loads(b"{%b}" % member) for member in cut(json.dumps(value, **style), block)]
    assert found == [{key: member} for key, member in value.items()]


@settings(deadline=None)
@given(st.dictionaries(texts, values, max_size=3), st.lists(values, max_size=5), written, blocks)
def test_the_members_of_a_list_under_a_key(before, value, style, block):
    content = json.dumps({**before, "here": value, "behind": {"here": [0]}, "last": 1}, **style)
    assert [json.loads(member) for member in cut(content, block, "here")] == value


@settings(deadline=None)
@given(st.dictionaries(texts, values, max_size=4), blocks)
def test_a_list_that_is_not_there(value, block):
    with pytest.raises(NoSuchList):
        cut(json.dumps({**value, "here": {"here": [1]}}), block, "here")


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=3), st.data())
def test_every_file_that_ends_too_early_is_found_out(value, data):
    content = json.dumps(value)
    end = data.draw(st.integers(1, len(content) - 1))
    with pytest.raises(BrokenFile):
        cut(content[:end], data.draw(blocks))


@pytest.mark.parametrize("content", ["[1}", "[1]]", "[1] 2", '[1]{"a": 2}', "[[1]", '["a]', "[" * 2000 + "]" * 2000])
def test_brackets_that_do_not_match(content):
    with pytest.raises(BrokenFile):
        cut(content, 5)


@pytest.mark.parametrize("block", range(1, 12))
def test_blanks_behind_the_end_may_fall_into_another_block(block):
    assert cut("[1, 2]\r\n \n", block) == [b"1", b" 2"]
    assert cut('{"a": [1]}\r\n', block, "a") == [b"1"]
    with pytest.raises(BrokenFile, match="there is something after the end"):
        cut("[1, 2]\n\n\nx", block)


def test_little_is_held_at_a_time():
    """Pieces are given out as they come: of a file of 40 blocks, 30 have not been read when the first 10 are out."""
    file = io.BytesIO(json.dumps([{"a": "x" * 100}] * 1000).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 1000)
        pieces = members(file)
        held = [len(next(pieces).text) for _ in range(10)]
    assert file.tell() == 10_000
    assert max(held) < 2000
