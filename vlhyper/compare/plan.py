"""What a comparison is: for every method a search for its learning rate, then runs with other seeds. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.errors import UserError
from vlhyper.model.families import size_of
from vlhyper.model.methods import METHODS, method
from vlhyper.model.spec import option_models
from vlhyper.run.config import RunConfig, config_values, with_overrides

# Trained and tested on the questions alone: what can be had without seeing.
TEXT_ONLY = "hyperpelt"


class Cell(NamedTuple):
    """One run of a comparison."""

    method: str
    rate: float
    seed: int


@dataclass(frozen=True)
class Plan:
    """A comparison in the folder `out`.

    overrides: `key.sub=value` of every run's config.
    """

    out: Path
    methods: tuple[str, ...]
    rates: tuple[float, ...]
    seeds: int
    steps: int
    overrides: tuple[str, ...] = ()

    def search(self) -> Iterator[Cell]:
        """The runs that choose a learning rate for each method, all of the first seed."""
        yield from (Cell(name, rate, 0) for name in self.methods for rate in self.rates)

    def repeats(self, chosen: dict[str, float]) -> Iterator[Cell]:
        """The runs with the other seeds."""
        yield from (Cell(name, rate, seed) for name, rate in chosen.items() for seed in range(1, self.seeds))

    def folder(self, cell: Cell) -> Path:
        """The run folder of a cell."""
        return self.out / "runs" / cell.method / f"rate-{cell.rate:g}" / f"seed-{cell.seed}"

    def config(self, cell: Cell) -> RunConfig:
        """The demo's config with the method, rate and seed of a cell. Raises UserError for an override that is none."""
        path = self.out / "demo.yaml"
        values = config_values(path)
        values["model"] = model_of(cell.method, values["model"])
        values["training"] |= {
            "steps": self.steps,
            "learning_rate": cell.rate,
            "decay": self.steps // 3,
            "seed": cell.seed,
            "checkpoint_every": self.steps,
        }
        values["validation"]["every"] = max(1, self.steps // 2)
        return with_overrides(values, self.overrides, str(path))


def compared() -> tuple[str, ...]:
    """The text-only control and every method that sees images but those that want boxes: the world has none."""
    seeing = (name for name, row in METHODS.items() if row.images != "none" and not row.boxes)
    return (TEXT_ONLY, *seeing)


def named(names: Sequence[str]) -> tuple[str, ...]:
    """Methods by name, each once. Raises UserError for one that is unknown or wants boxes."""
    for name in names:
        if method(name).boxes:
            raise UserError(f"method {name!r} reads regions with boxes, which the miniature world lacks; leave it out")
    return tuple(dict.fromkeys(names))


def model_of(name: str, demo: dict[str, Any]) -> dict[str, Any]:
    """The model config of a method on the demo's T5: the demo's settings as far as the method has them.

    Adapters have a fourth of the T5's width, as VL-Adapter's on T5-base have (192 of 768).
    """
    kinds = option_models(method(name))
    own = {key for kind in kinds.values() for key in kind.model_fields}
    values = {key: value for key, value in demo.items() if key in own or key == "backbone"}
    if "bottleneck" in own and "hyper_width" not in own:
        values["bottleneck"] = size_of(demo["backbone"]).d_model // 4
    return {"method": name, **values}
