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
            _check_room_for(place)
            return
        if not place.is_file():
            kind = "a folder" if place.is_dir() else "a device or a pipe"
            raise UserError(f"{place}: this is {kind}; {option} needs the name of a file to write")
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected", str(place))
        for name, given in inputs.items():
            if given is not None and Path(given).exists() and place.samefile(given):
                raise UserError(f"{path}: is read by {name}, and {option} would replace it; name another file")


def _check_room_for(place: Path) -> None:
    """Raises OSError where the file, and the folders it still needs, cannot be made."""
    above = next(folder for folder in place.resolve().parents if folder.exists())
    if not above.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(above))


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever keeps a file from being written there is told as a UserError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno in JOB_FAULTS:
            raise
        raise UserError(f"{path}: cannot be written ({error.strerror}); name a file in a folder of yours") from None
