"""The table of backbones: a row for each `model_type` of a config.json. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.files import read_object
from vlhyper.model.families.bart import BART, KNOWN_BART
from vlhyper.model.families.family import BackboneFields, Family
from vlhyper.model.families.gemma import KNOWN_GEMMA, T5GEMMA, T5GEMMA2
from vlhyper.model.families.t5 import KNOWN_MT5, KNOWN_T5, MT5, T5
from vlhyper.model.sizes import Size
from vlhyper.settings import validated
from vlhyper.wording import shown

FAMILIES: dict[str, Family] = {"t5": T5, "mt5": MT5, "bart": BART, "t5gemma": T5GEMMA, "t5gemma2": T5GEMMA2}
# Sizes of published models, as in each hub repository's config.json.
KNOWN: dict[str, Size] = {**KNOWN_T5, **KNOWN_MT5, **KNOWN_BART, **KNOWN_GEMMA}
CONFIG = "config.json"


def size_of(backbone: str | Mapping[str, Any]) -> Size:
    """The sizes of a backbone named by hub id, by a local folder with a config.json, or by fields of its config.

    Raises UserError for a name that is neither known nor a local folder, for a kind of model that is not in the table,
    and for a field that its config lacks.
    """
    if not isinstance(backbone, str):
        return given_fields(backbone).size
    if backbone in KNOWN:
        return KNOWN[backbone]
    if Path(backbone).is_dir():
        return folder_fields(Path(backbone)).size
    raise UserError(f"backbone {backbone!r}: neither a local folder nor a known model{nearest(backbone, KNOWN)}")


def fields_of(backbone: str | Mapping[str, Any]) -> BackboneFields | None:
    """The fields of a backbone, but of one that only its hub id names."""
    if not isinstance(backbone, str):
        return given_fields(backbone)
    return folder_fields(Path(backbone)) if Path(backbone).is_dir() else None


def given_fields(fields: Mapping[str, Any]) -> BackboneFields:
    """Fields written by hand, of a T5 where they have no `model_type`.

    Raises UserError for one that the config lacks: transformers ignores a misspelt name.
    """
    family = family_of(fields.get("model_type", "t5"), "backbone")
    own = {name: value for name, value in fields.items() if name != "model_type"}
    known = family.fields.names()
    for name in _unknown(own, known):
        raise UserError(f"backbone: {family.config} has no field {name!r}{nearest(name, known)}")
    return validated(family.fields, own, "backbone")


def folder_fields(folder: Path) -> BackboneFields:
    """The fields in a folder's config.json. Raises UserError that names the file and the field."""
    path = folder / CONFIG
    return config_fields(read_object(path), str(path), "copy the model again")


def config_fields(config: Mapping[str, Any], source: str, cure: str = "") -> BackboneFields:
    """The fields of a whole config. Raises UserError that names `source` and the field."""
    return validated(family_of(config.get("model_type"), source).fields, config, source, cure)


def family_of(model_type: Any, source: str) -> Family:
    """The row of a `model_type`. Raises UserError that names `source`."""
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise UserError(f"{source}: model_type is {shown(model_type)}; vlhyper needs one of {', '.join(FAMILIES)}")
    return FAMILIES[model_type]


def _unknown(fields: Mapping[str, Any], known: list[str], within: str = "") -> Iterator[str]:
    for key, value in fields.items():
        name = f"{within}{key}"
        whole = any(field.startswith(f"{name}.") for field in known)
        if whole and isinstance(value, Mapping):
            yield from _unknown(value, known, f"{name}.")
        elif not whole and name not in known:
            yield name
