"""Prefixes made by a network that only training needs, one of its own for every kind of attention and every task.

Source: Li and Liang, "Prefix-Tuning" (2021), section 4.3; He et al., "Towards a Unified View" (2022), as in the class
`Prefix` of their petl_factory.py. For an attention block, with a table E of N rows,

    [K_1 ; V_1 ; … ; K_L ; V_L] = tanh(E W_1 + b_1) W_2 + b_2

Letters: T tasks · R rows with prefixes of their own (1 or B) · L layers of a stack · N prefix length · H·P joint width
of the heads · D model width · m inner width of the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from vlhyper.model.forms import Form, WholePrefix
from vlhyper.model.makers.maker import Conditions, Maker, Normal, Start, Tensors, Uniform, Weight
from vlhyper.model.sites import Site, sites
from vlhyper.model.sizes import Shape
from vlhyper.settings import Strict

if TYPE_CHECKING:
    from torch import Tensor


class Options(Strict):
    """Settings of the networks; the width is that of He et al."""

    prefix_length: int = Field(49, gt=0, description="N, keys and values at every attention")
    projector_width: int = Field(800, gt=0, description="m, inner width of the networks")
    shared: bool = Field(False, description="one set of networks for all tasks, not one for each")


class Network(Maker):
    """Keys and values for every task at every site, or the same for all tasks."""

    Options = Options
    forms = ("prefix",)

    def __init__(self, options: Any, parts: Any, size: Any, inputs: Any) -> None:
        super().__init__(options, parts, size, inputs)
        self.blocks: dict[str, list[Site]] = {}
        for site in sites(size, [block for part in parts for block in part.blocks]):
            self.blocks.setdefault(site.block, []).append(site)

    def weights(self) -> dict[str, Weight]:
        width, inner, own = self.size.d_model, self.options.projector_width, not self.options.shared
        tasks = len(self.inputs.tasks) if own else 1
        found: dict[str, Weight] = {}
        for block, places in self.blocks.items():
            made = len(places) * 2 * self.size.key_inner
            shapes: dict[str, tuple[Shape, Start]] = {
                "table": ((self.options.prefix_length, width), Normal()),
                "first": ((width, inner), Uniform(width**-0.5)),
                "first_bias": ((inner,), Uniform(width**-0.5)),
                "second": ((inner, made), Uniform(inner**-0.5)),
                "second_bias": ((made,), Uniform(inner**-0.5)),
            }
            found |= {
                f"{block}.{name}": Weight((tasks, *shape), start, "prefix networks", per_task=own)
                for name, (shape, start) in shapes.items()
            }
        return found

    def make(self, tensors: Tensors, conditions: Conditions) -> dict[Site, list[Form]]:
        """A prefix of (R, N, H·P) keys and values at every site."""
        made: dict[Site, list[Form]] = {}
        # Of networks that all tasks share there is the first.
        task = conditions.task.new_zeros(()) if self.options.shared else conditions.task
        for block, places in self.blocks.items():
            own = {
                name: tensors[f"{block}.{name}"] for name in ("table", "first", "first_bias", "second", "second_bias")
            }
            numbers = _prefixes(own, task).unflatten(-1, (len(places), 2, -1))
            for number, site in enumerate(places):
                made[site] = [WholePrefix(numbers[:, :, number, 0], numbers[:, :, number, 1])]
        return made


def _prefixes(own: dict[str, Tensor], task: Tensor) -> Tensor:
    """tanh(E W_1 + b_1) W_2 + b_2 of the tasks of a batch: (R, N, L·2·H·P)."""
    if not task.ndim:
        own = {name: table[task][None] for name, table in own.items()}
    hidden = (own["table"] @ own["first"] + own["first_bias"][:, None]).tanh()
    prefixes = hidden @ own["second"] + own["second_bias"][:, None]
    # Rows of several tasks: each network runs once, however many rows its task has.
    return prefixes[task] if task.ndim else prefixes
