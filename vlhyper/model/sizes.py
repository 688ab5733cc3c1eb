"""Sizes that are known before anything is built, without torch: what any backbone tells of itself, and model inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import prod
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from vlhyper.errors import UserError

Shape = tuple[int, ...]


class Inputs(BaseModel):
    """What a model is made for: its tasks in the order of their embeddings, and the shape of its image features."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: tuple[str, ...] = Field(min_length=1)
    tokens: int | None = None  # cells of the image grid, None without images
    width: int | None = None  # channels of the image grid


class Size(ABC):
    """What makers need of a backbone, and all its parameters.

    family: its row in the table of backbones. untied_head: whether the map to the vocabulary has weights of its own.
    """

    family: str
    vocab_size: int
    d_model: int
    encoder_layers: int
    decoder_layers: int
    untied_head: bool = False

    @property
    @abstractmethod
    def inner(self) -> int:
        """The joint width of all heads of queries."""

    @property
    def key_inner(self) -> int:
        """H·P, the joint width of all heads of keys and values: that of the queries but for a few families."""
        return self.inner

    @property
    def layers(self) -> int:
        """How many layer ids l_i there are: encoder and decoder share them."""
        return max(self.encoder_layers, self.decoder_layers)

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """The fields of a config of this size."""

    @abstractmethod
    def shapes(self) -> dict[str, Shape]:
        """Every parameter of the model by its name; tied ones once."""

    def parameters(self) -> int:
        """All parameters (222,903,552 for t5-base)."""
        return sum(map(prod, self.shapes().values()))


def matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The names that fit one of the patterns (`*layer_norm.weight`). Raises UserError for a pattern that fits none."""
    given = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in given):
            close = get_close_matches(pattern, given, n=1, cutoff=0)[0]
            raise UserError(f"pattern {pattern!r} matches no parameter of the backbone; the nearest name is {close!r}")
    return [name for name in given if any(fnmatchcase(name, pattern) for pattern in patterns)]
