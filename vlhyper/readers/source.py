"""What a reader is given: the files of one split and the options its manifest sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """Files by role, each a list in the manifest's order, and the format's options.

    `hides`: the files may lack the column of the targets, as those of test splits do whose answers are not public.
    """

    files: Mapping[str, tuple[Path, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)
    hides: bool = False

    @property
    def all_paths(self) -> list[Path]:
        return [path for paths in self.files.values() for path in paths]

    def paths(self, role: str) -> tuple[Path, ...]:
        """The files of a role; none where the manifest leaves an optional role out."""
        return self.files.get(role, ())


def expand(path: Path) -> list[Path]:
    """The path itself where it exists; of a pattern like `validation-*.parquet` the files it means, by name."""
    # A name is a name: `val [v2].json` is a pattern only where no such file is there.
    if path.exists():
        return [path]
    return sorted(path.parent.glob(path.name)) if any(sign in path.name for sign in "*?[") else []
