"""The precision of a run: training, validation and evaluation compute in the same one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from vlhyper.model.model import VLHyperPELT

SHORT = {"bf16": torch.bfloat16, "fp16": torch.float16}


def prepare(model: VLHyperPELT, precision: str) -> None:
    """Keep what is frozen in the run's precision; what is trained stays fp32."""
    if precision in SHORT:
        model.compute_in(SHORT[precision])


def computing(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Within it a model that was prepared computes in the run's precision."""
    return torch.autocast(device.type, SHORT[precision]) if precision in SHORT else nullcontext()
