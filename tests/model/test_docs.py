"""docs/method.md: its sections, counts and methods are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vlhyper.model.families import KNOWN
from vlhyper.model.makers import MAKERS
from vlhyper.model.methods import METHODS
from vlhyper.model.sites import STACKS
from vlhyper.model.spec import Inputs, ModelSpec, count

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")


def test_every_section_that_code_cites_exists():
    sections = set(re.findall(r"^## \d (.+)$", TEXT, re.MULTILINE))
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "vlhyper").rglob("*.py"))]
    cited = {name for source in sources for name in re.findall(r'docs/method\.md, "([^"]+)"', source)}
    assert len(cited) >= 5
    assert cited <= sections


@pytest.mark.parametrize("name", [*METHODS, *MAKERS, *STACKS])
def test_every_method_maker_and_block_is_described(name):
    assert f"`{name}`" in TEXT


def test_the_counts_are_those_of_the_code():
    tasks = ("vqa", "vg_qa", "gqa", "caption")
    counts = count(ModelSpec(), Inputs(tasks=tasks, tokens=49, width=2048))
    parts = dict(counts.parts)
    embeddings = sum(parts.pop(f"{name} embeddings") for name in ("task", "layer", "block"))
    for number in (embeddings, *parts.values(), counts.trained, counts.total, KNOWN["t5-base"].parameters()):
        assert re.search(rf"(?<![\d,]){number:,}(?![\d,])", TEXT), f"{number:,}"
    assert f"{counts.share:.2f} %" in TEXT
    glue = ModelSpec(method="hyperpelt", projector_width=64, bottleneck=32)
    assert f"{count(glue, Inputs(tasks=tuple('abcdefgh'))).trained:,}" in TEXT
