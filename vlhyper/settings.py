"""Settings from YAML, checked by pydantic: an unknown key is refused with the nearest valid name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, create_model, model_validator

from vlhyper.errors import UserError, nearest
from vlhyper.files import small_file

Model = TypeVar("Model", bound=BaseModel)
# Far more than any config or manifest has; aliases within aliases can stand for billions.
MOST_VALUES = 100_000


class Strict(BaseModel):
    """Base of every settings model: frozen, no unknown keys, no infinite numbers, no true or false for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, values: Any) -> Any:
        for name, field in cls.model_fields.items() if isinstance(values, dict) else ():
            if isinstance(values.get(name), bool) and _kinds(field.annotation) & {int, float}:
                raise ValueError(f"{name} must be a number, is {str(values[name]).lower()}")
        return values


def joined(*models: type[Strict]) -> type[Strict]:
    """One model with the fields of several."""
    return models[0] if len(models) == 1 else create_model("Joined", __base__=tuple(models))


def _kinds(annotation: Any) -> set[Any]:
    return {annotation, *getattr(annotation, "__args__", ())}


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: `yes` and `1:30` are texts, a key given twice is an error, aliases are bounded."""

    def compose_document(self) -> Any:
        node = super().compose_document()
        _count_values(node, {})
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value!r}", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _plain_numbers() -> dict[str, list[tuple[str, Any]]]:
    """PyYAML's rules for plain texts, but for YAML 1.1's yes, on, 017, 1:30 and dates, which surprise their writers."""
    changed = {
        "tag:yaml.org,2002:bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
        "tag:yaml.org,2002:int": re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"),
        "tag:yaml.org,2002:float": re.compile(
            r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
    }
    left_out = "tag:yaml.org,2002:timestamp"
    rules = yaml.SafeLoader.yaml_implicit_resolvers
    return {
        first: [(tag, changed.get(tag, rule)) for tag, rule in pairs if tag != left_out]
        for first, pairs in rules.items()
    }


_Loader.yaml_implicit_resolvers = _plain_numbers()


class _Dumper(yaml.SafeDumper):
    """YAML that `_Loader` reads as it is meant: no aliases, quotes where it or YAML 1.1 would see a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_Loader.yaml_implicit_resolvers.get(first, [])]
    for first in yaml.SafeDumper.yaml_implicit_resolvers.keys() | _Loader.yaml_implicit_resolvers.keys()
}


def yaml_text(value: Any, width: int, flow: bool | None = None) -> str:
    """A value as YAML that `parse_yaml` reads; `flow`: all of it in brackets, or of the innermost parts if None."""
    found: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow
    )
    return found.split("\n...\n")[0].rstrip("\n")


def _count_values(node: Any, known: dict[int, int | None]) -> int:
    """How many values a node stands for, its aliases followed. Raises YAMLError for too many, or an endless number."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise yaml.constructor.ConstructorError(None, None, "an alias contains itself", node.start_mark)
        return found
    known[id(node)] = None
    inner = [part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,))]
    total = 1 + sum(_count_values(part, known) for part in inner)
    if total > MOST_VALUES:
        raise yaml.constructor.ConstructorError(None, None, f"more than {MOST_VALUES:,} values", node.start_mark)
    known[id(node)] = total
    return total


def parse_yaml(text: str) -> Any:
    """The value of a YAML text. Raises ValueError that says what is wrong and where."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (ValueError, OverflowError) as error:
        # Of a number with too many digits Python goes on to say how a programmer lifts the limit.
        raise ValueError(str(error).split(";")[0]) from None


def read_yaml(path: str | Path, what: str) -> dict[str, Any]:
    """The mapping a YAML file holds. Raises UserError that names file and line."""
    found = small_file(path, what)
    try:
        value = parse_yaml(found.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{found}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except ValueError as error:
        raise UserError(f"{found}: not YAML: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{found}: {what} must be a mapping of names to values, is {type(value).__name__}")
    return value


def validated(model: type[Model], value: Any, where: str, cure: str = "") -> Model:
    """`value` as a `model`. Raises UserError: `where`, the key, what is wrong, for a key the nearest valid one.

    cure: what to do about a file that people do not write by hand.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            *parents, name = map(str, fault["loc"])
            raise UserError(f"{where}: unknown key {key!r}{nearest(name, _keys_at(model, parents))}") from None
        message = fault["msg"].removeprefix("Value error, ")
        told = f"{where}: {key + ': ' if key else ''}{message[:1].lower()}{message[1:]}"
        raise UserError(f"{told}; {cure}" if cure else told) from None


def _keys_at(model: type[BaseModel], keys: list[str]) -> list[str]:
    """The valid keys of the model under these keys; indices and names of mapping members lead to their values."""
    for name in keys:
        field = model.model_fields.get(name)
        if field is not None:
            model = next(iter(_models_in(field.annotation)), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
