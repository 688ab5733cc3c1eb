"""`vlhyper setup spice` as a user types it."""

import pytest

from vlhyper.cli import run


def test_jars_go_where_spice_looks_for_them(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setenv("VLHYPER_CORENLP", str(tmp_path / "jars"))
    monkeypatch.setattr("vlhyper.metrics.java.fetching.fetch_jars", lambda *given: asked.append(given))
    run(["setup", "spice", "--repository", "https://mirror.example"])
    [(jars, folder, repository)] = asked
    assert (len(jars), folder, repository) == (4, tmp_path / "jars", "https://mirror.example")
    assert f"SPICE is ready: {tmp_path / 'jars'}" in capsys.readouterr().err


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        raise SystemExit(run(["setup", "spice", "--help"]))
    assert "Example: vlhyper setup spice" in capsys.readouterr().out
