"""Validation while training: the same sample of each task every time."""

from __future__ import annotations

from collections.abc import Mapping

from accelerate import PartialState

from vlhyper.model.model import VLHyperPELT
from vlhyper.run.batches import Collator
from vlhyper.run.evaluate import answer
from vlhyper.run.held_out import HeldOut
from vlhyper.run.precision import computing
from vlhyper.run.tasks import Run
from vlhyper.tasks import Decoding


def validate(run: Run, model: VLHyperPELT, held_out: Mapping[str, HeldOut], collator: Collator) -> dict[str, float]:
    """The metrics of every task on its sample, and the mean of them all as `mean`.

    For GLUE that is the mean of eleven, which is also the paper's Avg (table 1). Under several processes the main one
    has them, the others have none.
    """
    found: dict[str, float] = {}
    for name, sample in held_out.items():
        decoding = Decoding(run.config.validation.beams, run.tasks[name].decoding.max_new_tokens)
        with computing(run.config.training.precision, PartialState().device):
            answers = answer(model, sample.rows, collator, decoding, run.config.evaluation_batch)
        if not PartialState().is_main_process:
            continue
        # A metric can be undefined for some answers (a correlation of equal ones); it then counts as 0.
        metrics = sample.report(answers).metrics
        own = {metric: metrics.get(metric, 0.0) for metric in run.tasks[name].kind.metrics}
        found.update({f"{name}.{metric}": value for metric, value in own.items()})
    return with_mean(found)


def with_mean(found: Mapping[str, float]) -> dict[str, float]:
    """The metrics and, where there are any, their mean: the score by which a run keeps its best weights."""
    return {**found, "mean": sum(found.values()) / len(found)} if found else {}
