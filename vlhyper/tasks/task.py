"""What a task is: how a row becomes a prompt and a target, how answers are generated, and what scores them."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Decoding:
    """Greedy unless `beams` > 1; at most `max_new_tokens` tokens."""

    beams: int = 1
    max_new_tokens: int = 20


@dataclass(frozen=True)
class Task:
    """One row of the paper's Table 4.

    `prompt` names the text columns in braces. `scorer` is a row of vlhyper.scoring.SCORERS, which also says how files
    of predictions look; `metrics` are the keys of its metrics that enter the validation mean, none where the task is
    not scored. `max_source_tokens` is the length to which prompts are cut where a run says nothing. `labels` are the
    answers that can count as right where the task is a choice. With `one_example_per_target` a row counts in training
    once for every target: a caption is an example, not the image.
    """

    name: str
    prompt: str
    scorer: str
    metrics: tuple[str, ...]
    decoding: Decoding = Decoding()
    max_source_tokens: int = 64
    labels: tuple[str, ...] = ()
    sees_image: bool = True
    one_example_per_target: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns the prompt needs, in its order."""
        return tuple(name for _, name, _, _ in string.Formatter().parse(self.prompt) if name)

    def prompt_of(self, row: Row) -> str:
        return self.prompt.format_map(row)


def target(row: Row, epoch: int, seed: int) -> str:
    """One of the row's targets, drawn in proportion to its weight.

    Drawn again each epoch, and the same for the same row, epoch and seed whatever worker asks and in whatever order.
    Raises ValueError for a row without targets.
    """
    bounds = list(accumulate(row["weights"]))
    if not bounds or bounds[-1] <= 0:
        raise ValueError(f"row {row['id']} has no target to draw")
    point = _uniform(f"{seed}\0{epoch}\0{row['id']}") * bounds[-1]
    return next(
        (answer for answer, bound in zip(row["targets"], bounds, strict=True) if point < bound), row["targets"][-1]
    )


def _uniform(text: str) -> float:
    """A number in [0, 1) that is a function of the text alone, with the 53 bits a float holds."""
    return (int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 11) / (1 << 53)
