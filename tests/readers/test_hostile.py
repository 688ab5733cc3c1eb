"""Whatever a file of a right outer shape holds: rows or one line, never another exception."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlhyper.errors import UserError
from vlhyper.readers.formats import FORMATS
from vlhyper.readers.source import Source

KEYS = ["question_id", "image_id", "question", "answers", "answer", "annotations", "images", "qas", "qa_id", "img_id"]
KEYS += ["sent", "label", "imageId", "cocoid", "split", "filename", "file_name", "sentences", "raw", "caption", "id"]
KEYS += ["direct_answers", "choices", "correct_choice_idx", "image", "captions", "data"]
KEYS += ["gold_label", "pairID", "Flikr30kID", "sentence2", "score"]
scalars = st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.text(max_size=5) | st.just("train")
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=8
)
TABLE = {
    "fields": {"id": "id", "image": "image_id", "question": "question", "label": "label"},
    "labels": {"0": "no"},
    "round_labels": None,
    "hub": None,
}
# Format, its options, and how records become the files of its roles.
SHAPES = {
    "vqa": ({}, {"questions": lambda r: {"questions": r}, "annotations": lambda r: {"annotations": r}}),
    "vl-t5": ({}, {"questions": lambda r: r}),
    "gqa": ({}, {"questions": lambda r: {str(n): value for n, value in enumerate(r)}}),
    "visual-genome": ({}, {"questions": lambda r: r}),
    "coco-captions": ({}, {"annotations": lambda r: {"images": r, "annotations": r}}),
    "karpathy": ({"subset": "train"}, {"annotations": lambda r: {"images": r}}),
    "vqa-records": ({}, {"questions": lambda r: r}),
    "multiple-choice": ({}, {"questions": lambda r: r}),
    "references": ({}, {"annotations": lambda r: r}),
    "table": (TABLE, {"table": lambda r: r}),
}


def test_every_format_is_tried():
    assert set(SHAPES) | {"snli-ve"} == set(FORMATS)


def rows_or_one_line(name: str, files: dict[str, Path], options: dict) -> None:
    try:
        for row in FORMATS[name].read(Source({role: (path,) for role, path in files.items()}, options)):
            assert isinstance(row["id"], str) and len(row["targets"]) == len(row["weights"])
    except UserError as error:
        assert any(str(path) in str(error) for path in files.values())
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(values, max_size=3))
def test_any_json_values(name, tmp_path, records):
    options, roles = SHAPES[name]
    files = {role: tmp_path / f"{role}.json" for role in roles}
    for role, shape in roles.items():
        files[role].write_text(json.dumps(shape(records)))
    rows_or_one_line(name, files, options)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(values, max_size=3))
def test_any_json_lines(tmp_path, records):
    path = tmp_path / "ve.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    rows_or_one_line("snli-ve", {"annotations": path}, {})


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40))
def test_any_bytes(name, tmp_path, content):
    options, roles = SHAPES[name]
    files = {role: tmp_path / f"{role}.json" for role in roles}
    for path in files.values():
        path.write_bytes(content)
    rows_or_one_line(name, files, options)
