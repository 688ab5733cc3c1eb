"""The rows and columns of the paper's tables 1 and 2, and its figures as far as they are known here. No torch.

Figures of the paper are those of docs/method.md, section 4, and of section 6.1 of its version on arXiv (2203.03878).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vlhyper.model.methods import METHODS
from vlhyper.model.paper import CONTRADICTION, GLUE, PRINTED, VL, Printed, spec_of
from vlhyper.model.spec import Inputs, ModelSpec
from vlhyper.tasks import TASKS

VARIANT = "{variant}"
DEFAULT_VARIANT = "official"


class Column(NamedTuple):
    """One figure; those of one heading stand in one cell, such as accuracy and F1.

    task, metric: of a run's scores; empty for what is no single score. A heading with `{variant}` stands for a column
    for each variant of the score. name: tells the figures of one heading apart.
    """

    heading: str
    name: str = ""
    task: str = ""
    metric: str = ""
    variant: str | None = None

    @property
    def field(self) -> str:
        """What a program calls it."""
        return f"{self.heading.split(' (')[0] if self.name else self.heading} {self.name}".strip()

    def of(self, variant: str) -> Column:
        """The same figure of one variant of its score."""
        return self._replace(heading=self.heading.replace(VARIANT, variant), variant=variant)


@dataclass(frozen=True)
class PaperRow:
    """A row: a method as the paper runs it, on all tasks together or `single`, a run for each; `scores` by heading."""

    method: str
    name: str = ""
    single: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.name or METHODS[self.method].title}{SINGLE if self.single else ''}"

    @property
    def spec(self) -> ModelSpec:
        return spec_of(self.method)

    @property
    def printed(self) -> Printed:
        return Printed() if self.single else PRINTED.get(self.method, Printed())


@dataclass(frozen=True)
class PaperTable:
    """A table: its tasks, the columns of counts (fields of `Shares`) and of scores, and its rows.

    averaged: the heading of the mean of all figures; empty where the table has none.
    """

    title: str
    inputs: Inputs
    shares: Mapping[str, Column]
    figures: tuple[Column, ...]
    averaged: str
    rows: tuple[PaperRow, ...]
    notes: tuple[str, ...] = ()


SINGLE = ", a run for each task"
HEADINGS = {
    "cola": "CoLA",
    "sst2": "SST-2",
    "mrpc": "MRPC (acc. / F1)",
    "qqp": "QQP (acc. / F1)",
    "stsb": "STS-B (P. / S.)",
    "mnli": "MNLI",
    "qnli": "QNLI",
    "rte": "RTE",
}
# HyperPELT's is the mean of its eleven figures; the paper says by how much single-task Adapters are below it.
AVERAGE = 87.085
BELOW = 2.21


def _figures(task: str) -> tuple[Column, ...]:
    metrics = TASKS[task].metrics
    return tuple(Column(HEADINGS[task], metric if len(metrics) > 1 else "", task, metric) for metric in metrics)


TABLES = {
    "glue": PaperTable(
        "Table 1: GLUE",
        GLUE,
        {"times": Column("× T5"), "share_per_task": Column("% per task")},
        tuple(column for task in GLUE.tasks for column in _figures(task)),
        "Avg",
        (
            PaperRow("full_finetuning", single=True),
            PaperRow("adapters", single=True, scores={"Avg": round(AVERAGE - BELOW, 3)}),
            PaperRow("full_finetuning"),
            PaperRow("adapters"),
            PaperRow("prefix_tuning_network", "Prefix-tuning, one for all tasks"),
            PaperRow("mam_adapter", "MAM Adapter, one for all tasks"),
            PaperRow("hyperformer"),
            PaperRow("hyperpelt_prefix"),
            PaperRow("hyperpelt_adapter"),
            PaperRow("hyperpelt", scores={"Avg": AVERAGE}),
        ),
        (
            f"Avg is the mean of the eleven figures. Of single-task Adapters the paper says: {BELOW} below HyperPELT.",
            CONTRADICTION,
        ),
    ),
    "vl": PaperTable(
        "Table 2: vision and language",
        VL,
        {"share": Column("% trained")},
        (
            Column(f"VQA ({VARIANT})", "", "vqa", "overall"),
            Column(f"VQA in domain ({VARIANT})", "", "vqa", "in_domain"),
            Column(f"VQA out of domain ({VARIANT})", "", "vqa", "out_domain"),
            Column("GQA", "", "gqa", "accuracy"),
            *(Column(metric, "", "caption", metric) for metric in ("BLEU-4", "METEOR", "CIDEr", "SPICE")),
        ),
        "",
        (
            PaperRow("clip_t5"),
            PaperRow("vl_adapter", "VL-Adapter"),
            PaperRow("vl_hyperpelt_prefix"),
            PaperRow("vl_hyperpelt_adapter"),
            PaperRow("vl_hyperpelt_visual_prefix", "VL-HyperPELT, visual prefixes, task adapters"),
            PaperRow("vl_hyperpelt_visual_adapter", "VL-HyperPELT, task prefixes, visual adapters"),
            PaperRow("vl_hyperpelt"),
        ),
        (
            "VQA as VQA v2's own program counts it (official), or as the variant in the heading does.",
            "In its own run of VL-Adapter the paper trains 7.16 %.",
        ),
    ),
}
