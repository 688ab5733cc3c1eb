"""What a reader is given: the files of one split and the options its manifest sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """Files by role, each a list in the manifest's order, and the format's options."""

    files: Mapping[str, tuple[Path, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)

    def paths(self, role: str) -> tuple[Path, ...]:
        """The files of a role; none where the manifest leaves an optional role out."""
        return self.files.get(role, ())
