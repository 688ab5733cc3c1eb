"""The table of methods: each a row of parts, what of T5 trains, and what it does with images (paper tables 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vlhyper.errors import UserError, nearest
from vlhyper.model.sites import ATTENTION, FEED_FORWARD, INPUT

IMAGES = ("none", "condition", "tokens")


@dataclass(frozen=True)
class Part:
    """A maker and the form it makes for some blocks.

    settings: of the maker, fixed by the row. name: parts of one name share one maker, its weights too; the maker's name
    where left out.
    """

    maker: str
    form: str
    blocks: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Method:
    """One row.

    trains: patterns over the names of T5's parameters; those that match are trained as well. images: `none` (the model
    sees none), `condition` (weights are made from them) or `tokens` (they are tokens in the encoder's input).
    """

    title: str
    parts: tuple[Part, ...]
    trains: tuple[str, ...] = ()
    images: Literal["none", "condition", "tokens"] = "none"

    def __post_init__(self) -> None:
        if self.images not in IMAGES:
            raise UserError(f"method {self.title!r}: images is {self.images!r}{nearest(self.images, IMAGES)}")


NORMS = ("*layer_norm.weight",)
ALL = ("*",)
TASK, BOTH = {"sides": ("task",)}, {"sides": ("task", "visual")}


def _hyper(sides: Mapping[str, Any], prefix: bool = True, adapter: bool = True) -> tuple[Part, ...]:
    parts = (Part("hyper", "prefix", ATTENTION, sides), Part("hyper", "bottleneck", FEED_FORWARD, sides))
    return tuple(part for part, wanted in zip(parts, (prefix, adapter), strict=True) if wanted)


METHODS: dict[str, Method] = {
    "full_finetuning": Method("Full fine-tuning", (), ALL),
    "prefix_tuning": Method("Prefix-tuning", (Part("free", "prefix", ATTENTION),)),
    "hyperpelt": Method("HyperPELT", _hyper(TASK), NORMS),
    "hyperpelt_prefix": Method("HyperPELT, prefixes only", _hyper(TASK, adapter=False), NORMS),
    "hyperpelt_adapter": Method("HyperPELT, adapters only", _hyper(TASK, prefix=False), NORMS),
    "clip_t5": Method("CLIP-T5", (Part("image", "tokens", INPUT),), ALL, "tokens"),
    "vl_hyperpelt": Method("VL-HyperPELT", _hyper(BOTH), NORMS, "condition"),
    "vl_hyperpelt_prefix": Method("VL-HyperPELT, prefixes only", _hyper(BOTH, adapter=False), NORMS, "condition"),
    "vl_hyperpelt_adapter": Method("VL-HyperPELT, adapters only", _hyper(BOTH, prefix=False), NORMS, "condition"),
}


def method(name: str) -> Method:
    """The row of `name`. Raises UserError with the nearest valid name."""
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}{nearest(name, METHODS)}")
    return METHODS[name]
