"""What every maker is: a description of its weights, and how forms are made of them.

The description needs no torch. Parameters are built from it and counted by it, so that the two cannot differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from vlhyper.model.methods import Part
from vlhyper.model.sizes import Inputs, Shape, Size
from vlhyper.settings import Strict

if TYPE_CHECKING:
    from torch import Tensor

    from vlhyper.model.forms import Form
    from vlhyper.model.sites import Site

Tensors = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Normal:
    """Drawn from a normal distribution around 0.

    of: "key", "value" or "word" multiplies the deviation by that of the backbone's own keys, values or word embeddings.
    """

    deviation: float = 1.0
    of: str | None = None


@dataclass(frozen=True)
class Uniform:
    """Drawn evenly from -limit to limit."""

    limit: float


@dataclass(frozen=True)
class Fill:
    """The same number everywhere."""

    value: float


Start = Normal | Uniform | Fill


class Weight(NamedTuple):
    """A parameter: its shape, how it starts, and the line of the parameter counts that it belongs to.

    per_task: the first axis has a row for each task; a run that starts from another's weights matches them by name.
    """

    shape: Shape
    start: Start
    group: str
    per_task: bool = False


class Conditions(NamedTuple):
    """What the forms of one batch depend on."""

    task: Tensor  # () for one task in the whole batch, or (B,) of task numbers
    grid: Tensor | None  # (B, N, d_v) image features, any float dtype, 0 in rows without an image; None if all are
    pictured: Tensor | None  # (B,) bool, rows that have an image; None for all where there is a grid
    embeddings: Tensor  # (V, D), the token embeddings of the backbone
    boxes: Tensor | None = None  # (B, N, 4), x1 y1 x2 y2 as shares of the image's width and height
    word_scale: float = 1.0  # what the encoder multiplies token embeddings with


class Maker(ABC):
    """A maker for the parts of one method on one backbone.

    `Options` are what a user sets in a model's config; a name means the same in every maker that has it. `Settings` are
    what a row of the table of methods sets in a part. `forms` are the names of the forms it can make.
    """

    Options: ClassVar[type[Strict]] = Strict
    Settings: ClassVar[type[Strict]] = Strict
    forms: ClassVar[tuple[str, ...]]

    def __init__(self, options: Any, parts: tuple[Part, ...], size: Size, inputs: Inputs) -> None:
        self.options, self.parts, self.size, self.inputs = options, parts, size, inputs

    def settings(self, part: Part) -> Any:
        """The settings of one of its parts, with their defaults."""
        return self.Settings.model_validate(dict(part.settings))

    @classmethod
    def options_of(cls, parts: Sequence[Part]) -> type[Strict]:
        """The options that these parts need; all where a maker has the same for each of its forms."""
        return cls.Options

    @abstractmethod
    def weights(self) -> dict[str, Weight]:
        """Every trained weight by name, in the order in which they are drawn. A dot in a name nests it."""

    def buffers(self) -> dict[str, Weight]:
        """Numbers that belong to the run and are not trained, such as the statistics of its image features."""
        return {}

    def indices(self) -> dict[str, Sequence[Any]]:
        """Nested lists of int with which `make` looks up tables. They are saved with no run.

        As tensors they lie where the model is; a list as an index would be copied there in every step.
        """
        return {}

    @abstractmethod
    def make(self, tensors: Tensors, conditions: Conditions) -> dict[Site, list[Form]]:
        """The forms of one batch, from the tensors of `weights`, `buffers` and `indices`."""
