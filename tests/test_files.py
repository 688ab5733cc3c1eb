"""What is written appears whole or not at all; what is read fails with the file's name."""

import json

import pytest

from vlhyper.errors import UserError, first_few, nearest
from vlhyper.files import cache_folder, existing_file, read_json, replacing, sha256, write_json, write_text


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old")
    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [one.name for one in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_behind(tmp_path, error):
    path = tmp_path / "a.txt"
    with pytest.raises(error), replacing(path) as part:
        part.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_result_is_as_readable_as_other_files_of_the_user(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "mine", "")
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "mine")}
    assert len(modes) == 1


def test_json_goes_there_and_back_with_all_letters(tmp_path):
    value = {"answer": "señal ✓", "n": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "señal ✓" in (tmp_path / "a.json").read_text(encoding="utf-8")
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(value).encode())
    assert read_json(tmp_path / "bom.json") == value


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "not JSON: .* at line 1 column 2"),
        (b'{"a": 1,\n"b" 2}', "at line 2 column 5"),
        (b'"\xff"', r"not UTF-8 \(byte 1\)"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_json_is_named_with_the_place(tmp_path, content, told):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{path}: .*{told}"):
        read_json(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(UserError, match="no such file; the questions must exist"):
        existing_file(tmp_path / "a", "the questions")
    with pytest.raises(UserError, match="this is a folder"):
        existing_file(tmp_path)


def test_a_digest_is_that_of_the_whole_file(tmp_path):
    # NIST's example of one million letters a, which spans no two blocks, and one that does.
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    assert sha256(tmp_path / "a") == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    (tmp_path / "b").write_bytes(b"a" * (1 << 20) + b"b")
    (tmp_path / "c").write_bytes(b"a" * (1 << 20) + b"c")
    assert sha256(tmp_path / "b") != sha256(tmp_path / "c")


@pytest.mark.parametrize(
    ("name", "told"), [("trian", "; did you mean 'train'?"), ("xyz", "; valid are test, train, val")]
)
def test_the_nearest_name_or_all_of_them(name, told):
    assert nearest(name, ["val", "train", "test", "train"]) == told


@pytest.mark.parametrize(
    ("items", "told"),
    [([], ""), ([1, 2, 3], "1, 2, 3"), ("abcde", "a, b, c and 2 more"), (iter("abcd"), "a, b, c and 1 more")],
)
def test_a_long_list_is_cut(items, told):
    assert first_few(items) == told


def test_cache_folder_is_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv("VLHYPER_CACHE", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "vlhyper"
    monkeypatch.setenv("VLHYPER_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_loop_of_links_is_an_error_of_the_system_that_names_it(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match=r"Too many levels of symbolic links.*a'"):
        write_text(tmp_path / "a", "x")
