"""`vlhyper env`."""

import vlhyper
from vlhyper.cli import run
from vlhyper.commands import env


def test_it_prints_versions_and_what_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(env, "LIBRARIES", ("numpy", "no-such-library"))
    run(["env"])
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["vlhyper"] == vlhyper.__version__
    assert lines["numpy"][0].isdigit()
    assert lines["no-such-library"] == "not installed"
