"""What the paper prints about parameters, beside what is built. No torch.

Source: the paper's table 3 (formulas) and the shares in its tables 1 and 2, on t5-base. Its formulas leave out what no
module can be built without, so each is given with the items that lead from it to the count of the built module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from vlhyper.model.families import KNOWN
from vlhyper.model.makers.hyper import Hyper
from vlhyper.model.methods import METHODS
from vlhyper.model.sizes import Inputs
from vlhyper.model.spec import Counts, ModelSpec, count, makers_of

BACKBONE = "t5-base"
GLUE = Inputs(tasks=("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte"))
VL = Inputs(tasks=("vqa", "vg_qa", "gqa", "caption"), tokens=49, width=2048)
# Options of the paper's runs that are not the makers' defaults; configs/ gives the source of each. HyperPELT on
# GLUE has smaller widths than on V&L; with these its shares are those that the paper prints.
OPTIONS: dict[str, dict[str, Any]] = {
    "prefix_tuning_network": {"shared": True},
    "mam_adapter": {"prefix_length": 49, "bottleneck": 64, "shared": True},
    "hyperpelt": {"projector_width": 64, "bottleneck": 32},
    "hyperpelt_prefix": {"projector_width": 64},
    "hyperpelt_adapter": {"projector_width": 64, "bottleneck": 32},
    "clip_t5": {"image_tokens": 36},
}


class Printed(NamedTuple):
    """What the paper prints of a method: the trained share in percent, that share for each task, all parameters as a
    multiple of T5's. None where it is not known here."""

    share: float | None = None
    share_per_task: float | None = None
    times: float | None = None

    def __str__(self) -> str:
        forms = ("{:.2f} %", "{:.2f} % per task", "{:.2f}×")
        return ", ".join(form.format(value) for form, value in zip(forms, self, strict=True) if value is not None)


# As far as docs/method.md, section 4, and section 6.1 of the paper's version on arXiv (2203.03878) say it.
PRINTED = {
    "prefix_tuning_network": Printed(times=1.14),
    "mam_adapter": Printed(share_per_task=2.96, times=1.15),
    "hyperpelt": Printed(share_per_task=0.24, times=1.02),
    "hyperpelt_prefix": Printed(times=1.01),
    "vl_adapter": Printed(share=7.98),
    "vl_hyperpelt": Printed(share=6.62),
}
# Methods whose formula the paper's table 3 prints.
FORMULAS = ("hyperpelt", "vl_hyperpelt")
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
        text, spec = row.images == "none", spec_of(name)
        found["GLUE, 8 tasks" if text else "Vision and language, 4 tasks"].append(_row(spec, GLUE if text else VL))
    return found


def spec_of(name: str) -> ModelSpec:
    """A method as the paper runs it."""
    return ModelSpec(method=name, backbone=BACKBONE, **OPTIONS.get(name, {}))


def _row(spec: ModelSpec, inputs: Inputs) -> Row:
    counts = count(spec, inputs)
    printed = str(PRINTED.get(spec.method, ""))
    if spec.method not in FORMULAS:
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
