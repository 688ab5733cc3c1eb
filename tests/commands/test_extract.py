"""What `vlhyper extract` says to a shell before any image is read."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from vlhyper.cli import build_app, run
from vlhyper.errors import UserError


def test_weights_must_be_named_so_that_nothing_is_fetched_unasked(tmp_path):
    with pytest.raises(UserError, match=r"--weights is missing: give --weights FILE .*RN101\), or --weights openai"):
        run(["extract", str(tmp_path), "--out", str(tmp_path / "f.h5")])


@pytest.mark.parametrize("option", ["--precision=fp8", "--store=int8", "--batch-size=0", "--workers=-1"])
def test_values_outside_the_contract_are_usage_errors(tmp_path, option):
    ended = CliRunner().invoke(build_app(), ["extract", str(tmp_path), "--out", "f.h5", "--weights", "w", option])
    assert ended.exit_code == 2


def test_help_shows_an_example_and_imports_no_torch():
    code = "import sys; from vlhyper.cli import run; run(['extract', '--help']); assert 'torch' not in sys.modules"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert "Example: vlhyper extract coco/val2014 --out coco.h5 --weights openai\n" in ended.stdout
