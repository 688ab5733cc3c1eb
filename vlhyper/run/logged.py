"""The lines of a run's `log.jsonl`, and what they tell of its cost. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.files import parse_json
from vlhyper.readers.streams import text_lines

LOG = "log.jsonl"
Line = Mapping[str, Any]


def read_log(path: Path) -> list[dict[str, Any]]:
    """What is in a log, but for a line that a kill cut short, or that a run is writing.

    Raises UserError that names a line which is damaged.
    """
    whole = [(number, line) for number, line in text_lines(path) if line.strip()]
    if whole and not _ends_its_line(path):
        whole.pop()
    return [_line(path, number, line) for number, line in whole]


def _ends_its_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = parse_json(line)
        if isinstance(value, dict) and type(value.get("step")) is int:
            return value
    except (ValueError, RecursionError):
        pass
    raise UserError(f"{path}: line {number} is no line of a log; remove this line and start the command again")


def seconds_per_step(lines: Sequence[Line]) -> float | None:
    """Over all steps of the last start; None of a run too young, or of an earlier release."""
    return next((line["seconds_per_step"] for line in reversed(lines) if "seconds_per_step" in line), None)


def most_memory(lines: Iterable[Line]) -> float | None:
    """The most megabytes that a log tells of; None for runs of earlier releases, whose log tells nothing."""
    return max((line["memory_mb"] for line in lines if "memory_mb" in line), default=None)
