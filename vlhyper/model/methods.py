"""Methods: each a row that joins a set of places with a maker (paper tables 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

from vlhyper.errors import UserError, nearest
from vlhyper.model.kinds import ADAPTER_BLOCKS, BLOCKS, PREFIX_BLOCKS


@dataclass(frozen=True)
class Method:
    """What is trained, and where it enters T5."""

    title: str
    sides: tuple[str, ...]  # what the hypernetworks are conditioned on: "task", "visual"
    blocks: tuple[str, ...]  # the block types that get generated weights
    layer_norms: bool = True  # T5's layer norms are trained too

    @property
    def visual(self) -> bool:
        return "visual" in self.sides

    @property
    def images(self) -> str:
        return "condition" if self.visual else "none"


ALL_BLOCKS = tuple(BLOCKS)
METHODS: dict[str, Method] = {
    "hyperpelt": Method("HyperPELT", ("task",), ALL_BLOCKS),
    "hyperpelt_prefix": Method("HyperPELT, prefixes only", ("task",), PREFIX_BLOCKS),
    "hyperpelt_adapter": Method("HyperPELT, adapters only", ("task",), ADAPTER_BLOCKS),
    "vl_hyperpelt": Method("VL-HyperPELT", ("task", "visual"), ALL_BLOCKS),
    "vl_hyperpelt_prefix": Method("VL-HyperPELT, prefixes only", ("task", "visual"), PREFIX_BLOCKS),
    "vl_hyperpelt_adapter": Method("VL-HyperPELT, adapters only", ("task", "visual"), ADAPTER_BLOCKS),
}


def method(name: str) -> Method:
    """The row of `name`. Raises UserError with the nearest valid name."""
    if name not in METHODS:
        raise UserError(f"method {name!r} is unknown{nearest(name, METHODS)}")
    return METHODS[name]
