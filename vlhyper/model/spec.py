"""What a model is, as a user writes it down and as a run folder keeps it; parameter counts follow from it. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vlhyper.errors import UserError, nearest
from vlhyper.model.families import FAMILIES, size_of
from vlhyper.model.forms import FORMS
from vlhyper.model.makers import MAKERS, Maker
from vlhyper.model.methods import Method, Part, method
from vlhyper.model.sizes import Inputs, Shape, Size, matching
from vlhyper.settings import Strict, validated

__all__ = ["WEIGHTS", "Counts", "Inputs", "ModelSpec", "count", "makers_of"]

# The file of a run folder that holds what was trained.
WEIGHTS = "adapter_model.safetensors"


class ModelSpec(BaseModel):
    """A method on a backbone. All other keys are options of the method's makers, which give them their defaults."""

    model_config = ConfigDict(extra="allow", frozen=True)

    method: str = Field("vl_hyperpelt", description="row of the table of methods")
    backbone: str | dict[str, Any] = Field(
        "google-t5/t5-base",
        description="hub id, local folder, or fields of its config for random weights (of a T5 without a model_type)",
    )
    tokenizer: str | None = Field(None, description="hub id or local folder; the backbone's own where left out")
    tune: tuple[str, ...] | None = Field(
        None,
        description="parts that are trained, as `vlhyper params` calls them; all that the method trains if left out",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_all_options(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        name = values.get("method", cls.model_fields["method"].default)
        own = {key: value for key, value in values.items() if key in cls.model_fields}
        options = {key: value for key, value in values.items() if key not in own}
        if not isinstance(name, str):
            return values
        row = method(name)
        models = option_models(row)
        known = [key for model in models.values() for key in model.model_fields]
        for key in options:
            if key not in known:
                raise ValueError(f"unknown key {key!r}{nearest(key, [*cls.model_fields, *known])}")
        for model in models.values():
            own |= _checked(model, {**row.defaults, **options}).model_dump()
        return own

    def options(self, kind: type[Maker]) -> Any:
        """The options of one maker."""
        return _checked(option_models(method(self.method))[kind], self.model_extra or {})

    def without_places(self) -> ModelSpec:
        """The same model with the name of a local folder in place of its path, which is nothing to others."""
        places = {key: getattr(self, key) for key in ("backbone", "tokenizer")}
        local = {key: place for key, place in places.items() if isinstance(place, str) and Path(place).is_dir()}
        return self.model_copy(update={key: Path(place).resolve().name for key, place in local.items()})


def option_models(row: Method) -> dict[type[Maker], type[Strict]]:
    """The options that a user can set for each maker of a method."""
    parts: dict[type[Maker], list[Part]] = {}
    for part in row.parts:
        parts.setdefault(_maker(part), []).append(part)
    return {kind: kind.options_of(own) for kind, own in parts.items()}


def _checked(model: type[Strict], options: Mapping[str, Any]) -> Any:
    given = {key: options[key] for key in model.model_fields if key in options}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def _maker(part: Part) -> type[Maker]:
    """The class of a part's maker. Raises UserError where maker, form, block or settings do not exist or do not fit."""
    if part.maker not in MAKERS:
        raise UserError(f"unknown maker {part.maker!r}{nearest(part.maker, MAKERS)}")
    if part.form not in FORMS:
        raise UserError(f"unknown form {part.form!r}{nearest(part.form, FORMS)}")
    if isinstance(part.blocks, str):
        raise UserError(f"maker {part.maker!r}: blocks must be a tuple of names, is the text {part.blocks!r}")
    kind = MAKERS[part.maker]
    if part.form not in kind.forms:
        raise UserError(f"maker {part.maker!r} cannot make the form {part.form!r}; it makes {', '.join(kind.forms)}")
    for block in part.blocks:
        if block not in FORMS[part.form]:
            raise UserError(f"block {block!r} takes no {part.form!r}{nearest(block, FORMS[part.form])}")
    validated(kind.Settings, dict(part.settings), f"a part of maker {part.maker!r}")
    return kind


def makers_of(spec: ModelSpec, inputs: Inputs, size: Size | None = None) -> dict[str, Maker]:
    """The makers of a method by name, each with its parts; `size` of a backbone that is there already.

    Raises UserError for inputs that a maker cannot use.
    """
    row, size = method(spec.method), size or size_of(spec.backbone)
    if row.images == "none":
        # A maker that wants images in such a row is refused: its grid would never come.
        inputs = inputs.model_copy(update={"tokens": None, "width": None})
    named: dict[str, list[Part]] = {}
    for part in row.parts:
        named.setdefault(part.name or part.maker, []).append(part)
    found = {}
    for name, parts in named.items():
        kind = _maker(parts[0])
        if odd := {part.maker for part in parts} - {parts[0].maker}:
            raise UserError(f"parts named {name!r} have two makers, {parts[0].maker!r} and {min(odd)!r}; rename one")
        found[name] = kind(spec.options(kind), tuple(parts), size, inputs)
    return found


class Counts(BaseModel):
    """Parameter counts of a run; shares in percent."""

    method: str
    backbone: str
    trained: int
    frozen: int
    total: int
    share: float
    share_per_task: float
    parts: dict[str, int]


def count(spec: ModelSpec, inputs: Inputs) -> Counts:
    """Trained and frozen parameters, computed before anything is built and without the hub.

    The image encoder is frozen and not counted, as in the paper's table 2.
    """
    size, row = size_of(spec.backbone), method(spec.method)
    parts: dict[str, int] = {}
    for maker in makers_of(spec, inputs).values():
        for weight in maker.weights().values():
            parts[weight.group] = parts.get(weight.group, 0) + prod(weight.shape)
    total = sum(parts.values()) + size.parameters()
    backbone = _trained_of(size, row)
    if backbone:
        group = group_of(backbone)
        parts[group] = parts.get(group, 0) + sum(map(prod, backbone.values()))
    parts = {group: parts[group] for group in tuned(spec, parts)}
    trained = sum(parts.values())
    share = 100 * trained / total
    return Counts(
        method=spec.method,
        backbone=spec.backbone if isinstance(spec.backbone, str) else f"{FAMILIES[size.family].title} from a config",
        trained=trained,
        frozen=total - trained,
        total=total,
        share=share,
        share_per_task=share / len(inputs.tasks),
        parts=parts,
    )


def tuned(spec: ModelSpec, groups: Iterable[str]) -> list[str]:
    """The groups of weights that are trained, of all that the method trains. Raises UserError for an unknown one."""
    known = list(groups)
    for group in spec.tune or ():
        if group not in known:
            raise UserError(f"tune: method {spec.method!r} has no {group!r}{nearest(group, known)}")
    return [group for group in known if spec.tune is None or group in spec.tune]


def _trained_of(size: Size, row: Method) -> dict[str, Shape]:
    shapes = size.shapes()
    return {name: shapes[name] for name in matching(shapes, row.trains)}


def group_of(names: Iterable[str]) -> str:
    """What the counts call these parameters of the backbone."""
    return "layer norms" if all("norm" in name for name in names) else "backbone"
