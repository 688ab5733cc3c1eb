"""Every file of `examples/` runs, and shows what it promises."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_runs_and_shows_what_it_promises(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    if losses := re.search(r"loss ([\d.]+) -> ([\d.]+)", printed):
        assert float(losses[2]) < float(losses[1])
    else:
        assert float(printed.split(": ")[1]) <= 1e-5
