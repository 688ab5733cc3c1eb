"""Where a scorer writes: checked before the work, and an error of the user's where nothing can be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vlhyper.errors import UserError

# A disk that is full or broken is no mistake of the user's.
JOB_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def check_output(path: str | os.PathLike[str], option: str, inputs: Mapping[str, str | None]) -> None:
    """Refuse a place that holds no plain file, or that one of the inputs (by option) is read from. Raises UserError."""
    place = Path(path)
    with writing(path):
        if not place.exists():
            return
        if not place.is_file():
            kind = "a folder" if place.is_dir() else "a device or a pipe"
            raise UserError(f"{place}: this is {kind}; {option} needs the name of a file to write")
        for name, given in inputs.items():
            if given is not None and Path(given).exists() and place.samefile(given):
                raise UserError(f"{path}: is read by {name}, and {option} would replace it; name another file")


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever keeps a file from being written there is told as a UserError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno in JOB_FAULTS:
            raise
        raise UserError(f"{path}: cannot be written ({error.strerror}); name a file in a folder of yours") from None
