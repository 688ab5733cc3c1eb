"""Modules from outside that add rows."""

import sys

import pytest

from vlhyper.errors import UserError
from vlhyper.plugins import load_plugins


@pytest.fixture
def outside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("my_rows", None)


def test_a_module_in_the_current_directory_is_loaded(outside, monkeypatch):
    (outside / "my_rows.py").write_text("LOADED = True\n")
    monkeypatch.setenv("VLHYPER_PLUGINS", " my_rows ,")
    load_plugins()
    assert sys.modules["my_rows"].LOADED


def test_a_module_that_is_missing_is_named_with_who_named_it(outside, monkeypatch):
    monkeypatch.setenv("VLHYPER_PLUGINS", "my_rows")
    with pytest.raises(
        UserError,
        match=r"plugin 'my_rows', named by \$VLHYPER_PLUGINS, cannot be imported: ModuleNotFoundError: No mod",
    ):
        load_plugins()
