"""What a kind of backbone is: a row of names, from its config's fields to where its layers keep what a site names.

No torch: modules are named as `named_modules` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vlhyper.model.sizes import Size

# Bounds that no backbone comes near; what is beyond them is damaged or a slip.
Width = Annotated[int, Field(gt=0, le=10_000_000)]
Layers = Annotated[int, Field(gt=0, le=1_000)]


class Fields(BaseModel):
    """Base of the fields of a config that sizes follow from; all others are passed over, and null is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, values: Any) -> Any:
        return (
            {key: value for key, value in values.items() if value is not None} if isinstance(values, dict) else values
        )


@dataclass(frozen=True)
class Family:
    """One row.

    title: what users call it. model, config: names of its classes in transformers.
    read: fields of a config, and where they come from for errors -> the size.
    fields: names of fields that may be written by hand, those of a nested config as `decoder.hidden_size`.
    complete: fields written by hand -> what the class of the config is given.
    layers: the name of the list of layers of each stack.
    modules: for each block, the module below a layer whose input a form reads and to whose output it adds; a pair where
        these are two modules.
    norm_of_keys: (block, number of the layer, layers of the encoder) -> the norm whose output the keys are of.
    norm_adds_one: its weight is the gain less one.
    positions: how the encoder knows the order of its tokens (docs/method.md, "Sites").
    word_scale: config -> what the encoder multiplies the table of token embeddings with.
    scales_embeddings: whether embeddings that are given in place of token ids are multiplied too.
    shared_maps: blocks without linear maps of their own, since another block has the same module.
    aliases: size -> other names of a parameter, for files that hold them.
    unused: patterns over names in files that the model does not use. removed: modules that are taken off after loading.
    renamed: a name in a file of another release, or of the model without its head -> the name today.
    """

    title: str
    model: str
    config: str
    read: Callable[[Mapping[str, Any], str], Size]
    fields: Collection[str]
    layers: Mapping[str, str]
    modules: dict[str, str | tuple[str, str]]
    norm_of_keys: Callable[[str, int, int], str]
    aliases: Callable[[Any], Mapping[str, tuple[str, ...]]]
    positions: Literal["bias", "learned", "rotary"]
    norm_adds_one: bool = False
    word_scale: Callable[[Any], float] = lambda config: 1.0
    scales_embeddings: bool = False
    complete: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields
    shared_maps: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    renamed: Callable[[str], str] = lambda name: name
    removed: tuple[str, ...] = ()


def with_maps(modules: Mapping[str, str | tuple[str, str]], maps: Mapping[str, str]) -> dict[str, Any]:
    """The modules with the linear maps of each attention: block_q, block_k, block_v, block_o."""
    attentions = {block: name for block, name in modules.items() if not block.endswith("_ff")}
    found = {f"{block}_{part}": f"{name}.{last}" for block, name in attentions.items() for part, last in maps.items()}
    return {**modules, **found}
