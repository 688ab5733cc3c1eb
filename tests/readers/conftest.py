"""Small invented files in the real layouts, read through a manifest as a user would."""

import json
from pathlib import Path

import pytest

from vlhyper.readers import Manifest, load_manifest, load_rows


@pytest.fixture
def put(tmp_path: Path):
    """put(name, value): write a JSON value, or text as it is, and give its path."""

    def write(name: str, value) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
        return path

    return write


@pytest.fixture
def manifest(tmp_path: Path):
    """manifest(format, files, **settings): one split `train` whose settings may be given beside the manifest's."""

    def make(format: str, files: dict, split: dict | None = None, **settings) -> Manifest:
        content = {"name": "mine", "format": format, "splits": {"train": {"files": files, **(split or {})}}, **settings}
        return load_manifest(content, tmp_path)

    return make


@pytest.fixture
def rows(manifest, tmp_path: Path):
    """rows(format, files, ...): the rows of that split, as a list."""

    def read(*arguments, **settings) -> list[dict]:
        return load_rows(manifest(*arguments, **settings), "train", tmp_path / "cache").to_list()

    return read
