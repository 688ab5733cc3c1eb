"""The table of backbones: a row for each `model_type` of a config.json. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.files import read_json
from vlhyper.model.families.bart import BART, KNOWN_BART
from vlhyper.model.families.family import Family
from vlhyper.model.families.gemma import KNOWN_GEMMA, T5GEMMA, T5GEMMA2
from vlhyper.model.families.t5 import KNOWN_MT5, MT5, T5
from vlhyper.model.sizes import KNOWN_T5, Size

FAMILIES: dict[str, Family] = {"t5": T5, "mt5": MT5, "bart": BART, "t5gemma": T5GEMMA, "t5gemma2": T5GEMMA2}
# Sizes of published models, as in each hub repository's config.json.
KNOWN: dict[str, Size] = {**KNOWN_T5, **KNOWN_MT5, **KNOWN_BART, **KNOWN_GEMMA}

__all__ = ["FAMILIES", "KNOWN", "Family", "family_of", "size_of"]


def size_of(backbone: str | Mapping[str, Any]) -> Size:
    """The sizes of a backbone named by hub id, by a local folder with a config.json, or by fields of its config.

    Fields without a `model_type` are those of a T5. Raises UserError for a name that is neither known nor a local
    folder, for a kind of model that is not in the table, and for a field that its config lacks.
    """
    if not isinstance(backbone, str):
        family = family_of(backbone.get("model_type", "t5"), "backbone")
        fields = {key: value for key, value in backbone.items() if key != "model_type"}
        for field in _unknown(fields, family):
            raise UserError(f"backbone: {family.config} has no field {field!r}{nearest(field, family.fields)}")
        return family.read(fields, "backbone")
    if backbone in KNOWN:
        return KNOWN[backbone]
    path = Path(backbone, "config.json")
    if path.parent.is_dir():
        fields = read_json(path)
        return family_of(fields.get("model_type"), str(path)).read(fields, str(path))
    raise UserError(f"backbone {backbone!r}: neither a local folder nor a known model{nearest(backbone, KNOWN)}")


def family_of(model_type: Any, source: str) -> Family:
    """The row of a `model_type`. Raises UserError that names `source`."""
    if model_type not in FAMILIES:
        raise UserError(f"{source}: model_type is {model_type!r}; vlhyper needs one of {', '.join(FAMILIES)}")
    return FAMILIES[model_type]


def _unknown(fields: Mapping[str, Any], family: Family, within: str = "") -> Iterator[str]:
    """Fields written by hand that the config does not have: transformers ignores a misspelt one."""
    for key, value in fields.items():
        name = f"{within}{key}"
        if any(field.startswith(f"{name}.") for field in family.fields) and isinstance(value, Mapping):
            yield from _unknown(value, family, f"{name}.")
        elif name not in family.fields:
            yield name
