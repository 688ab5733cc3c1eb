"""Configs based on others: the key `base` names their files, and what a config says itself replaces what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.settings import read_yaml

KEY = "base"
Absolute = Callable[[Any, Path], Any]


def read_based(path: str | Path, absolute: Absolute, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What a config and the files under its key `base` say together; of several the later ones count.

    Mappings are put together key by key, all else is replaced. Paths in each file belong to its own folder:
    `absolute(values, folder)` makes them absolute.
    Raises UserError that names the file, also where configs are based on each other in a circle.
    """
    file = Path(path).absolute().resolve()
    if file in above:
        raise UserError(f"{path}: is based on itself, by way of {above[-1]}; take one `{KEY}` out")
    values = read_yaml(path, f"the config that {above[-1]} is based on" if above else "a config")
    found: dict[str, Any] = {}
    for name in _names(values.pop(KEY, None), path):
        found = merged(found, read_based(Path(path).parent / Path(name).expanduser(), absolute, (*above, file)))
    own: dict[str, Any] = absolute(values, Path(path).absolute().parent)
    return merged(found, own)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings as one, key by key at every depth; where they differ in anything else, `new` counts."""
    both = {key: (old[key], value) for key, value in new.items() if key in old}
    inner = {
        key: merged(before, after)
        for key, (before, after) in both.items()
        if isinstance(before, Mapping) and isinstance(after, Mapping)
    }
    return {**old, **new, **inner}


def _names(value: Any, path: str | Path) -> list[str]:
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: {KEY} must be the path of a config, or a list of them")
    return names
