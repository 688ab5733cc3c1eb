"""The names a user imports: typed, listed, and loaded only when they are asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

import vlhyper

ROOT = Path(__file__).resolve().parents[1]
USER = """
from vlhyper import VLHyperPELT, score
model = VLHyperPELT.from_pretrained("run")
reveal_type(model)
reveal_type(score)
"""


def test_every_public_name_is_listed_and_can_be_had():
    assert set(vlhyper.__all__) <= set(dir(vlhyper))
    for name in vlhyper.__all__:
        assert getattr(vlhyper, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'VLHyperPelt'"):
        vlhyper.VLHyperPelt  # noqa: B018


def test_importing_the_package_imports_no_library():
    code = "import sys, vlhyper; print(sorted({'torch', 'numpy', 'pydantic', 'msgspec', 'rich'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_users_type_checker_sees_the_class(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    # With the project's own settings, so that what `make check` has found out is not worked out again.
    command = [sys.executable, "-m", "mypy", str(tmp_path / "user.py")]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout
    assert 'Revealed type is "vlhyper.model.model.VLHyperPELT"' in said
    assert "Report" in said and "error" not in said
