"""Settings from YAML, checked by pydantic: an unknown key is refused with the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from vlhyper.errors import UserError, nearest
from vlhyper.files import existing_file

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every settings model: frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_yaml(path: str | Path, what: str) -> dict[str, Any]:
    """The mapping a YAML file holds. Raises UserError that names file and line."""
    found = existing_file(path, what)
    try:
        value = yaml.safe_load(found.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{found}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise UserError(f"{found}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise UserError(f"{found}: {what} must be a mapping of names to values, is {type(value).__name__}")
    return value


def validated(model: type[Model], value: Any, where: str) -> Model:
    """`value` as a `model`. Raises UserError: `where`, the key, what is wrong, for a key the nearest valid one."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            *parents, name = map(str, fault["loc"])
            raise UserError(f"{where}: unknown key {place!r}{nearest(name, _keys_at(model, parents))}") from None
        message = fault["msg"].removeprefix("Value error, ")
        raise UserError(f"{where}: {place + ': ' if place else ''}{message[:1].lower()}{message[1:]}") from None


def _keys_at(model: type[BaseModel], place: list[str]) -> list[str]:
    """The valid keys of the model that stands at a place; indices and names of mapping members lead to their values."""
    for name in place:
        field = model.model_fields.get(name)
        if field is not None:
            model = next(iter(_models_in(field.annotation)), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
