"""What a kind of backbone is: the fields of its config, and a row of names, down to the module of each block.

No torch: modules are named as `named_modules` names them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vlhyper.model.sizes import Size

# Bounds that no backbone comes near; what is beyond them is damaged or a slip, and would be built or counted for hours.
Width = Annotated[int, Field(gt=0, le=10_000_000)]
Layers = Annotated[int, Field(gt=0, le=1_000)]
TokenId = Annotated[int, Field(ge=0, lt=10_000_000)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


class Fields(BaseModel):
    """Fields of a config, or of a part of one; all others are passed over, and null stands for the default."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        kept = {name for name, field in cls.model_fields.items() if type(None) in get_args(field.annotation)}
        return {name: value for name, value in values.items() if value is not None or name in kept}

    @classmethod
    def names(cls) -> list[str]:
        """The names of the fields, those of a part as `decoder.hidden_size`."""
        found: list[str] = []
        for name, field in cls.model_fields.items():
            part = field.annotation
            inner = part.names() if isinstance(part, type) and issubclass(part, Fields) else []
            found += [f"{name}.{one}" for one in inner] or [name]
        return found


class BackboneFields(Fields, ABC):
    """The fields of a config from which a backbone is built."""

    @property
    @abstractmethod
    def size(self) -> Size:
        """The sizes that follow from the fields."""

    @property
    @abstractmethod
    def ends(self) -> list[int]:
        """The tokens that end a text."""

    def written(self) -> dict[str, Any]:
        """The fields as they may be written by hand."""
        return self.model_dump(exclude_none=True)

    def config(self) -> dict[str, Any]:
        """What the class of the config is given."""
        return self.written()

    def require_tokens(self, *names: str) -> None:
        """Raises ValueError for a special token that the vocabulary does not have."""
        for name in names:
            number, most = getattr(self, name), self.size.vocab_size
            if number >= most:
                raise ValueError(f"{name} is {number}, the vocabulary has {most} tokens")


@dataclass(frozen=True)
class Family:
    """One row.

    title: what users call it. model, config: names of its classes in transformers. fields: those of its config.
    layers: the name of the list of layers of each stack.
    modules: for each block, the module below a layer whose input a form reads and to whose output it adds; a pair where
        these are two modules.
    norm_of_keys: (block, number of the layer, layers of the encoder) -> the norm whose output the keys are of.
    norm_adds_one: its weight is the gain less one.
    positions: how the encoder knows the order of its tokens (docs/method.md, "Sites").
    word_scale: config -> what the encoder multiplies the table of token embeddings with.
    scales_embeddings: whether embeddings that are given in place of token ids are multiplied too.
    last_of_feed_forward: how the name of its last linear map ends, whose outputs can exceed fp16.
    shared_maps: blocks without linear maps of their own, since another block has the same module.
    aliases: size -> other names of a parameter, for files that hold them.
    removed: modules that are taken off what is loaded. unused: patterns over names that the model does not use.
    renamed: a name in a file of another release, or of the model without its head -> the name today.
    """

    title: str
    model: str
    config: str
    fields: type[BackboneFields]
    layers: Mapping[str, str]
    modules: dict[str, str | tuple[str, str]]
    norm_of_keys: Callable[[str, int, int], str]
    aliases: Callable[[Any], Mapping[str, tuple[str, ...]]]
    positions: Literal["bias", "learned", "rotary"]
    last_of_feed_forward: str
    norm_adds_one: bool = False
    word_scale: Callable[[Any], float] = lambda config: 1.0
    scales_embeddings: bool = False
    shared_maps: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    renamed: Callable[[str], str] = lambda name: name

    @property
    def stacks(self) -> list[str]:
        """The names of encoder and decoder."""
        return [layers.rpartition(".")[0] for layers in self.layers.values()]

    def used(self, names: Iterable[str]) -> list[str]:
        """Those names of parameters that the model uses."""
        return [name for name in names if not any(fnmatchcase(name, pattern) for pattern in self.unused)]

    def parameters_in(self, names: Iterable[str], size: Size) -> dict[str, str]:
        """The parameters that files hold, each with its name there: tied ones once, unused ones not at all."""
        found = {self.renamed(name): name for name in names}
        for parameter, aliases in self.aliases(size).items():
            tied = [found.pop(name) for name in (parameter, *aliases) if name in found]
            if tied:
                found[parameter] = tied[0]
        return {name: found[name] for name in self.used(found)}


def with_maps(modules: Mapping[str, str | tuple[str, str]], maps: Mapping[str, str]) -> dict[str, Any]:
    """The modules with the linear maps of each attention: block_q, block_k, block_v, block_o."""
    attentions = {block: name for block, name in modules.items() if not block.endswith("_ff")}
    found = {f"{block}_{part}": f"{name}.{last}" for block, name in attentions.items() for part, last in maps.items()}
    return {**modules, **found}
