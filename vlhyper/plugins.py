"""Modules from outside the package that add rows to its tables: tasks, file formats, scorers, methods, makers.

A module is named by an entry point of the group `vlhyper.plugins`, or by `$VLHYPER_PLUGINS` (names separated by
commas; found as Python finds modules, and in the current directory). Loading it is all that happens: the module adds
its rows itself, such as `TASKS["nlvr"] = Task(...)`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from vlhyper.errors import UserError

GROUP = "vlhyper.plugins"
VARIABLE = "VLHYPER_PLUGINS"


def load_plugins() -> None:
    """Import every plugin once. Raises UserError that names a module which cannot be imported."""
    for entry in entry_points(group=GROUP):
        _load(entry.value, f"the entry point {entry.name!r} of {GROUP}")
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    here = str(Path.cwd())
    if names and here not in sys.path:
        # `python -m` finds modules there, a console script does not.
        sys.path.append(here)
    for name in names:
        _load(name, f"${VARIABLE}")


def _load(module: str, source: str) -> None:
    try:
        import_module(module.partition(":")[0])
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise UserError(f"plugin {module!r}, named by {source}, cannot be imported: {said}") from error
