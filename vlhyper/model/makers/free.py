"""Numbers that are trained themselves, at every site, for each task or one set for all.

Source: Li and Liang, "Prefix-Tuning" (2021), without its reparametrisation; Houlsby et al., "Parameter-Efficient
Transfer Learning" (2019), as built by HyperFormer and VL-Adapter; Hu et al., "LoRA" (2022); Lester et al., "The Power
of Scale" (2021).

Letters: T tasks, or 1 where all share · R rows with numbers of their own (1 or B) · L layers of a stack · N prefix or
prompt length · H·P joint width of the heads · D model width · r bottleneck or rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field

from vlhyper.model.forms import Bottleneck, Form, LowRank, Tokens, WholePrefix
from vlhyper.model.makers.maker import Conditions, Fill, Maker, Normal, Start, Tensors, Uniform, Weight
from vlhyper.model.methods import Part
from vlhyper.model.sites import KEY, OUTPUT, VALUE, Site, sites
from vlhyper.settings import Strict, joined


class SharedOptions(Strict):
    """Settings of every form."""

    shared: bool = Field(False, description="one set of numbers for all tasks, not one for each")


class PrefixOptions(SharedOptions):
    """Settings of prefixes."""

    prefix_length: int = Field(49, gt=0, description="N, keys and values at every attention")


class BottleneckOptions(SharedOptions):
    """Settings of adapters."""

    bottleneck: int = Field(64, gt=0, description="r, inner width of an adapter")


class LowRankOptions(SharedOptions):
    """Settings of LoRA; defaults are those of PEFT."""

    rank: int = Field(8, gt=0, description="r, rank of what is added to a linear map")
    alpha: float = Field(8.0, gt=0, description="what is added is multiplied by alpha / rank")


class TokensOptions(SharedOptions):
    """Settings of prompts."""

    prompt_length: int = Field(49, gt=0, description="N, trained tokens before the text")


OPTIONS: dict[str, type[Strict]] = {
    "prefix": PrefixOptions,
    "bottleneck": BottleneckOptions,
    "low_rank": LowRankOptions,
    "tokens": TokensOptions,
}


class Settings(Strict):
    """Settings of a part of adapters.

    start: `small` draws with a deviation of 0.01 (HyperFormer), `linear` as torch's Linear (VL-Adapter), `nothing` as
    LoRA, so that the adapter changes nothing at step 0 (MAM).
    """

    sequential: bool = False
    activation: Literal["relu", "gelu_new"] = "relu"
    biases: bool = False
    norm: bool = False
    scale: float = 1.0
    start: Literal["small", "linear", "nothing"] = "nothing"


class _Block(NamedTuple):
    """A block of a part, and what each of its sites has, without tasks and layers."""

    part: Part
    name: str
    settings: Settings
    sites: list[Site]
    numbers: dict[str, Weight]


class Free(Maker):
    """A form of its own at every site, for every task or one for all."""

    Settings = Settings
    forms = tuple(OPTIONS)

    def __init__(self, options: Any, parts: Any, size: Any, inputs: Any) -> None:
        super().__init__(options, parts, size, inputs)
        for form in self.forms:
            # Raises for a block that two parts name.
            sites(size, [block for part in parts if part.form == form for block in part.blocks])
        blocks = [self._block(part, name) for part in parts for name in part.blocks]
        # Those that this backbone has.
        self.blocks = [block for block in blocks if block.sites]

    @classmethod
    def options_of(cls, parts: Sequence[Part]) -> type[Strict]:
        return joined(*(OPTIONS[form] for form in dict.fromkeys(part.form for part in parts)))

    def _block(self, part: Part, name: str) -> _Block:
        settings = self.settings(part)
        describe = getattr(self, f"_{part.form}")
        return _Block(part, name, settings, sites(self.size, [name]), describe(settings, name))

    def _shared(self, number: str) -> bool:
        # Houlsby's adapters as HyperFormer builds them: each task has its own, the norm behind them is for all.
        return self.options.shared or number in ("gain", "shift")

    def weights(self) -> dict[str, Weight]:
        """Named block.number, (T, L, ...); those of the encoder's input have an L of 1."""
        found: dict[str, Weight] = {}
        for block in self.blocks:
            for name, (shape, start, group, _) in block.numbers.items():
                own = not self._shared(name)
                whole = (len(self.inputs.tasks) if own else 1, len(block.sites), *shape)
                found[f"{block.name}.{name}"] = Weight(whole, start, group, per_task=own)
        return found

    def _prefix(self, settings: Any, block: str) -> dict[str, Weight]:
        shape = (self.options.prefix_length, self.size.key_inner)
        # As large as T5's own keys and values, as those of generated prefixes are.
        return {name: Weight(shape, Normal(of=name), "prefixes") for name in ("key", "value")}

    def _bottleneck(self, settings: Any, block: str) -> dict[str, Weight]:
        narrow, wide, group = self.options.bottleneck, self.size.d_model, "adapters"
        down, up = Uniform(wide**-0.5), Uniform(narrow**-0.5)
        drawn: dict[str, tuple[Start, Start, Start, Start]] = {
            "small": (Normal(0.01), Fill(0.0), Normal(0.01), Fill(0.0)),
            "linear": (down, down, up, up),
            "nothing": (down, Fill(0.0), Fill(0.0), Fill(0.0)),
        }
        starts = drawn[settings.start]
        found = {"down": Weight((narrow, wide), starts[0], group), "up": Weight((wide, narrow), starts[2], group)}
        if settings.biases:
            found["down_bias"] = Weight((narrow,), starts[1], group)
            found["up_bias"] = Weight((wide,), starts[3], group)
        if settings.norm:
            found["gain"] = Weight((wide,), Fill(1.0), group)
            found["shift"] = Weight((wide,), Fill(0.0), group)
        return found

    def _low_rank(self, settings: Any, block: str) -> dict[str, Weight]:
        wide, inner, rank, group = self.size.d_model, self.size.inner, self.options.rank, "low-rank matrices"
        into, out = (inner, wide) if block in OUTPUT else (wide, inner)
        if block in (*KEY, *VALUE):
            out = self.size.key_inner
        return {
            "a": Weight((rank, into), Uniform(into**-0.5), group),
            "b": Weight((out, rank), Fill(0.0), group),
        }

    def _tokens(self, settings: Any, block: str) -> dict[str, Weight]:
        # As large as T5's word embeddings.
        shape = (self.options.prompt_length, self.size.d_model)
        return {"words": Weight(shape, Normal(of="word"), "prompts")}

    def make(self, tensors: Tensors, conditions: Conditions) -> dict[Site, list[Form]]:
        """The forms at every site, with R rows."""
        task = conditions.task.reshape(-1)
        made: dict[Site, list[Form]] = {}
        for block in self.blocks:
            tables = {name: tensors[f"{block.name}.{name}"] for name in block.numbers}
            rows = {name: table if self._shared(name) else table[task] for name, table in tables.items()}
            for site in block.sites:
                numbers = {name: table[:, site.layer] for name, table in rows.items()}
                made.setdefault(site, []).append(self._form(block, numbers))
        return made

    def _form(self, block: _Block, numbers: dict[str, Any]) -> Form:
        form, settings = block.part.form, block.settings
        if form == "prefix":
            return WholePrefix(**numbers)
        if form == "tokens":
            return Tokens(numbers["words"], front=True)
        if form == "low_rank":
            return LowRank(**numbers, scale=self.options.alpha / self.options.rank)
        return Bottleneck(
            **numbers, scale=settings.scale, activation=settings.activation, sequential=settings.sequential
        )
