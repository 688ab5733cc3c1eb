"""What the paper prints about parameters, beside what is built. No torch.

Source: the paper's table 3 (formulas) and the shares in its tables 1 and 2, on t5-base. Its formulas leave out what no
module can be built without, so each is given with the items that lead from it to the count of the built module.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlhyper.model.families import KNOWN
from vlhyper.model.makers.hyper import Hyper
from vlhyper.model.methods import METHODS
from vlhyper.model.sizes import Inputs
from vlhyper.model.spec import Counts, ModelSpec, count, makers_of

BACKBONE = "t5-base"
GLUE = Inputs(tasks=("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte"))
VL = Inputs(tasks=("vqa", "vg_qa", "gqa", "caption"), tokens=49, width=2048)
# HyperPELT on GLUE has smaller widths than on V&L; with these its shares are those that the paper prints.
GLUE_WIDTHS = {"projector_width": 64, "bottleneck": 32}
# As far as docs/method.md, section 4, says what the paper prints.
PRINTED = {
    "hyperpelt": "0.24 % per task, 1.02×",
    "mam_adapter": "2.96 % per task, 1.15×",
    "vl_adapter": "7.98 %",
    "vl_hyperpelt": "6.62 %",
}
CONTRADICTION = "MAM Adapter: 8 tasks of 2.96 % are 23.7 % of T5, not the 15 % that 1.15× says; both are the paper's."


@dataclass(frozen=True)
class Row:
    """A method of the table: its counts, and what the paper says."""

    title: str
    counts: Counts
    printed: str
    formula: int | None
    items: dict[str, int]

    @property
    def times(self) -> float:
        """All parameters as a multiple of T5's."""
        return self.counts.total / KNOWN[BACKBONE].parameters()


def table() -> dict[str, list[Row]]:
    """Every method on t5-base: those without images for the eight tasks of GLUE, the others for the four of V&L."""
    found: dict[str, list[Row]] = {"GLUE, 8 tasks": [], "Vision and language, 4 tasks": []}
    for name, row in METHODS.items():
        text = row.images == "none"
        hyper = any(part.maker == "hyper" for part in row.parts)
        spec = ModelSpec(method=name, backbone=BACKBONE, **(GLUE_WIDTHS if text and hyper else {}))
        found["GLUE, 8 tasks" if text else "Vision and language, 4 tasks"].append(_row(spec, GLUE if text else VL))
    return found


def _row(spec: ModelSpec, inputs: Inputs) -> Row:
    counts = count(spec, inputs)
    printed = PRINTED.get(spec.method, "")
    if spec.method not in ("hyperpelt", "vl_hyperpelt"):
        return Row(METHODS[spec.method].title, counts, printed, None, {})
    items = left_out(spec, inputs)
    return Row(METHODS[spec.method].title, counts, printed, counts.trained - sum(items.values()), items)


def left_out(spec: ModelSpec, inputs: Inputs) -> dict[str, int]:
    """What table 3's formula of HyperPELT leaves out of the built module, item by item."""
    hyper = makers_of(spec, inputs)["hyper"]
    assert isinstance(hyper, Hyper)
    counts, sides = count(spec, inputs).parts, len(hyper.sides)
    tables = len(inputs.tasks) + hyper.size.layers + len(hyper.blocks)
    return {
        "an embedding has N rows, not one": (hyper.length - 1) * tables * hyper.width,
        "a projector reads three embeddings, not one": sides * 2 * hyper.width * spec.options(Hyper).projector_width,
        "a scale λ for each adapter": counts["adapter scales"],
        "layer norms of T5": counts["layer norms"],
    }
