import hashlib

import pytest

from vlhyper.errors import UserError
from vlhyper.readers import check_manifest

QUESTIONS = '[{"question_id": 1, "img_id": "1", "sent": "?", "label": {}}]'
FILES = {"questions": "q.json"}


def lines(manifest, tmp_path, **options) -> list[str]:
    return check_manifest(manifest, "train", tmp_path / "cache", **options)


def test_nothing_is_wrong(put, manifest, tmp_path):
    put("q.json", QUESTIONS)
    assert lines(manifest("vl-t5", FILES, split={"count": 1}), tmp_path) == []
    assert lines(manifest("vl-t5", FILES), tmp_path) == []


def test_every_missing_file_is_told(manifest, tmp_path):
    mine = manifest("vl-t5", {"questions": ["a.json", "b.json"]}, homepage="https://example.org")
    assert lines(mine, tmp_path) == [
        f"{tmp_path}/{name}.json is missing; https://example.org tells where to get it" for name in "ab"
    ]


def test_another_count_is_told(put, manifest, tmp_path):
    put("q.json", QUESTIONS)
    (line,) = lines(manifest("vl-t5", FILES, split={"count": 605102}), tmp_path)
    assert line.startswith("mine, split train: 1 rows, but the manifest says 605,102")


def test_a_fault_of_a_record_is_told(put, manifest, tmp_path):
    put("q.json", '[{"question_id": 1}]')
    (line,) = lines(manifest("vl-t5", FILES), tmp_path)
    assert "record 1 (question_id 1)" in line


def test_sizes_and_checksums(put, manifest, tmp_path):
    put("q.json", QUESTIONS)
    digest = hashlib.sha256(QUESTIONS.encode()).hexdigest()

    def told(**known) -> list[str]:
        return lines(manifest("vl-t5", FILES, sources={"q.json": known}), tmp_path, digests=True)

    assert told(bytes=len(QUESTIONS), sha256=digest) == []
    assert "the published file 7; fetch it again" in told(bytes=7)[0]
    assert "another SHA-256" in told(sha256="0" * 64)[0]
    other = manifest("vl-t5", FILES, sources={"q.json": {"sha256": "0" * 64}})
    assert lines(other, tmp_path) == []  # reading gigabytes for a digest is asked for


def test_an_unknown_split_is_the_callers_mistake(manifest, tmp_path):
    with pytest.raises(UserError, match="unknown split"):
        check_manifest(manifest("vl-t5", FILES), "test", tmp_path)
