"""Answers as they are given back. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from vlhyper.metrics.normalise import normalise_answer


@dataclass(frozen=True)
class Said:
    """A text and its probability, 0 to 1 (see `Answer`)."""

    answer: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """The answer of a run to one question about one image.

    answer: what `vlhyper evaluate` would write, decoded as the run's config says. probability: of exactly this text,
    the product of the probabilities of its tokens and of its end. Other texts share the rest of 1, so that a long
    caption has a small one. others: the next likely texts that a beam search finds, most probable first; of texts that
    VQA's normalisation makes equal (`a dog`, `dog`) only the likelier is there. As in evaluation the answer to a
    question is decoded greedily, so that another text may happen to be more probable.

    Of a task that is a choice, answer is the most probable of its labels, others are the rest, and the probabilities of
    all labels sum to 1.

    without_image: the same question with the method's visual side switched off, as for a row without an image; None
    where the task sees none.
    """

    answer: str
    probability: float
    others: tuple[Said, ...]
    without_image: Said | None

    def to_json(self) -> dict[str, Any]:
        """The object that `vlhyper ask --json` prints."""
        return {**asdict(self), "others": [asdict(one) for one in self.others]}


def percent(probability: float) -> str:
    """A probability as it is shown."""
    return f"{probability:.1%}" if probability >= 0.001 else "< 0.1%"


def distinct(found: Iterable[Said], first: Said) -> tuple[Said, ...]:
    """The most probable first, without those that differ from a likelier one, or from `first`, in nothing but form."""
    seen, kept = {_form(first.answer)}, []
    for one in sorted(found, key=lambda said: -said.probability):
        if (form := _form(one.answer)) not in seen:
            seen.add(form)
            kept.append(one)
    return tuple(kept)


def _form(text: str) -> str:
    # Of an article alone the normalisation leaves nothing.
    return normalise_answer(text) or text
