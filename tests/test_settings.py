"""YAML as its writers mean it, bounded, with every fault named."""

import os

import pytest
from pydantic import Field

from vlhyper.errors import UserError
from vlhyper.settings import Strict, parse_yaml, read_yaml, validated, yaml_text

BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]" for n in range(8)
)


class Settings(Strict):
    steps: int = 3
    rate: float | None = Field(None, gt=0)
    on: bool = False


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("0o17", "0o17"),
        ("017", "017"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("1e-3", 0.001),
        ("1.5", 1.5),
        ("262_144", 262_144),
        ("-3", -3),
        ("~", None),
    ],
)
def test_plain_texts_are_what_their_writers_mean(text, value):
    found = parse_yaml(f"key: {text}")["key"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: 1\nsteps: 2", "duplicate key 'steps' .*line 2"),
        ("a: {b: 1, b: 1}", "duplicate key 'b'"),
        ("a: &x {b: *x}", "an alias contains itself"),
        (BOMB, "more than 100,000 values"),
        ("[" * 3000, "nested too deeply"),
        ("steps: " + "9" * 10_000, "10000 digits"),
        ("a: [1", "line 1"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_file(tmp_path, text, told):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"run.yaml: not YAML: .*{told}") as refusal:
        read_yaml(tmp_path / "run.yaml", "a config")
    assert "\n" not in str(refusal.value)


def test_aliases_and_merges_are_fine():
    assert parse_yaml("x: &d {a: 1}\ny: {<<: *d, a: 3}\nz: *d") == {"x": {"a": 1}, "y": {"a": 3}, "z": {"a": 1}}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"steps": True}, "steps must be a number, is true"),
        ({"rate": False}, "rate must be a number, is false"),
        ({"rate": float("inf")}, "rate: input should be a finite number"),
        ({"rate": float("nan")}, "rate: input should be"),
        ({"stepz": 1}, "unknown key 'stepz'; did you mean 'steps'"),
    ],
)
def test_numbers_are_finite_and_not_true_or_false(values, told):
    with pytest.raises(UserError, match=rf"^run.yaml: {told}"):
        validated(Settings, values, "run.yaml")
    assert validated(Settings, {"on": "yes", "rate": 1}, "run.yaml") == Settings(on=True, rate=1.0)


def test_only_plain_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    for name, told in {"pipe.yaml": "a device or a pipe", "loop.yaml": "no such file|cannot be read"}.items():
        with pytest.raises(UserError, match=f"{name}: .*({told})"):
            read_yaml(tmp_path / name, "a config")
    with pytest.raises(UserError, match=r"/dev/zero: this is a device"):
        read_yaml("/dev/zero", "a config")


def test_what_is_written_is_read_as_it_was_meant():
    texts = [
        "1e5",
        "017",
        "1:30",
        "yes",
        "null",
        "2020-01-01",
        "COCO_{split}_{id:012d}",
        "{id}",
        "a: b",
        "",
        "#1 String",
        "é",
    ]
    value = {"a": texts, 0: texts, "b": {"x": 1e-5, "y": True, "z": None, "1e5": 0.3}}
    assert parse_yaml(yaml_text(value, 80)) == parse_yaml(yaml_text(value, 80, flow=True)) == value
    assert "&" not in yaml_text([texts, texts], 80) and yaml_text("RN101", 80) == "RN101"
