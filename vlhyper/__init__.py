"""Extract image features once, train one multitask vision-and-language model, score with the standard metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlhyper.ask.answers import Answer as Answer
    from vlhyper.ask.asker import Asker as Asker
    from vlhyper.metrics import caption_scores as caption_scores
    from vlhyper.metrics import vqa_accuracy as vqa_accuracy
    from vlhyper.model.attach import attach as attach
    from vlhyper.model.frozen import Frozen as Frozen
    from vlhyper.model.model import VLHyperPELT as VLHyperPELT
    from vlhyper.scoring import score as score

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Asker",
    "Frozen",
    "VLHyperPELT",
    "__version__",
    "attach",
    "caption_scores",
    "score",
    "vqa_accuracy",
]

# Each is imported when it is first asked for: scoring needs no torch, and `import vlhyper` is immediate.
_HOMES = {
    "Answer": "vlhyper.ask.answers",
    "Asker": "vlhyper.ask.asker",
    "Frozen": "vlhyper.model.frozen",
    "attach": "vlhyper.model.attach",
    "VLHyperPELT": "vlhyper.model.model",
    "caption_scores": "vlhyper.metrics",
    "score": "vlhyper.scoring",
    "vqa_accuracy": "vlhyper.metrics",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vlhyper' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
