"""Errors for users: one line that says what is wrong, why, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what the user typed or in a file of the user. The program ends with exit code 2."""


class JobError(RuntimeError):
    """The input was correct but the job failed (disk full, a worker was killed). Exit code 1."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """The end of an error about an unknown `name`: `; did you mean 'x'?` or the list of valid names."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; valid are {', '.join(names)}"


def first_few(items: Iterable[object], most: int = 3) -> str:
    """`a, b, c and 7 more`: the first items of a long list and how many follow."""
    shown = list(map(str, items))
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")
