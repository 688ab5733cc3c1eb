"""Plain tables: the numbers of a form are trained themselves, a set of them for every task.

Source: Li and Liang, "Prefix-Tuning" (2021), without its reparametrisation.

Letters: R rows with numbers of their own (1 or B) · Q sites · N prefix length · H·P joint width of the heads.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from vlhyper.model.forms import Form, WholePrefix
from vlhyper.model.makers.maker import Conditions, Maker, Normal, Tensors, Weight
from vlhyper.model.sites import Site, sites
from vlhyper.settings import Strict


class Options(Strict):
    """Settings of the tables."""

    prefix_length: int = Field(49, gt=0, description="N, keys and values at every attention")


class Free(Maker):
    """Keys and values of its own for every task at every site."""

    Options = Options
    forms = ("prefix",)

    def __init__(self, options: Any, parts: Any, size: Any, inputs: Any) -> None:
        super().__init__(options, parts, size, inputs)
        self.sites = sites(size, [block for part in parts for block in part.blocks])

    def weights(self) -> dict[str, Weight]:
        shape = (len(self.inputs.tasks), len(self.sites), self.options.prefix_length, self.size.inner)
        # As large as T5's own keys and values, as those of generated prefixes are.
        return {name: Weight(shape, Normal(of=name), "prefixes", per_task=True) for name in ("key", "value")}

    def make(self, tensors: Tensors, conditions: Conditions) -> dict[Site, list[Form]]:
        """A prefix of (R, N, H·P) keys and values at every site."""
        keys, values = (tensors[name][conditions.task.reshape(-1)].unbind(1) for name in ("key", "value"))
        made = map(WholePrefix, keys, values)
        return {site: [prefix] for site, prefix in zip(self.sites, made, strict=True)}
