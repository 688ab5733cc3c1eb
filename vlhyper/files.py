"""Read and write files: a written file appears complete or not at all, and an error names its file."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from vlhyper.errors import UserError
from vlhyper.wording import kind

# A full or broken disk is not a mistake of the user.
JOB_FAULTS = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EIO)
# More than any record of a data set, any config, index or vocabulary has. What goes on beyond it is damaged or hostile,
# and would fill the memory.
MOST_BYTES = 64_000_000


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it becomes `path`, on failure nothing is left.

    The body writes and closes the file. The rename is atomic on one file system, so a reader never sees a partial file.
    """
    # A link is kept, and its target is replaced.
    try:
        target = Path(path).resolve()
    # Before Python 3.13 a loop of links is a RuntimeError.
    except RuntimeError:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        # mkstemp makes the file private; a result gets the permissions of the user's other new files.
        part.chmod(0o666 & ~_umask())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text, complete or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = None) -> None:
    """Write a value as JSON in UTF-8, complete or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=indent) + "\n")


def check_output(path: str | os.PathLike[str], option: str, inputs: Mapping[str, str | None]) -> None:
    """Raise UserError where `path` cannot be written, is not a regular file, or is one of the inputs (by option)."""
    target = Path(path)
    with writing(path):
        if not target.exists():
            _check_folder_of(target)
            return
        if not target.is_file():
            raise UserError(f"{target}: this is {_kind(target)}; {option} needs a file to write")
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected", str(target))
        for name, given in inputs.items():
            if given is not None and Path(given).exists() and target.samefile(given):
                raise UserError(f"{path}: {option} would overwrite the input of {name}; name another file")


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "a device or a pipe"


def _check_folder_of(target: Path) -> None:
    """Raise OSError where the file or one of its folders cannot be created."""
    above = next(folder for folder in target.resolve().parents if folder.exists())
    if not above.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(above))


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an OSError of writing `path` into a UserError that names it, except where the disk is full or broken."""
    try:
        yield
    except OSError as error:
        if error.errno in JOB_FAULTS:
            raise
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); choose a file in a folder that you can write to"
        ) from None


def existing_file(path: str | os.PathLike[str], what: str = "file") -> Path:
    """`path` as a Path. Raises UserError where it is missing, a folder, a device or a pipe."""
    found = Path(path)
    try:
        if not found.exists():
            raise UserError(f"{found}: no such file; {what} must exist")
        # A device may be endless, and a named pipe may never deliver; the pipe of a shell's <(...) has no name.
        if not (found.is_file() or (found.is_fifo() and not found.resolve().exists())):
            raise UserError(f"{found}: this is {_kind(found)}; {what} must be a regular file")
    # Before Python 3.13 a loop of links is a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise UserError(f"{found}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return found


def small_file(path: str | os.PathLike[str], what: str = "a file of this kind") -> Path:
    """`path` as a Path. Raises UserError where it is no regular file, or larger than what is read as a whole."""
    found = existing_file(path, what)
    if (size := found.stat().st_size) > MOST_BYTES:
        raise UserError(
            f"{found}: has {size / 1e6:,.0f} MB; {what} has at most {MOST_BYTES / 1e6:,.0f} MB; give another one"
        )
    return found


class _DuplicateKey(ValueError):
    """An object has two members with the same name; most JSON readers silently drop one."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise _DuplicateKey(Counter(key for key, _ in members).most_common(1)[0][0])
    return found


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, and RecursionError for one that is nested too deeply."""
    return json.loads(text, object_pairs_hook=_object)


def read_json(path: str | os.PathLike[str], what: str = "a file of this kind") -> Any:
    """The value of a JSON file (a byte-order mark is ignored). Raises UserError that names file and position."""
    found = small_file(path, what)
    try:
        return parse_json(found.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{found}: cannot be read ({error.strerror}); give a file that you may read") from None
    except _DuplicateKey as error:
        raise UserError(f"{found}: duplicate key {str(error)[:60]!r} in one object; remove one") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{found}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{found}: not JSON: {error.msg} at line {error.lineno} column {error.colno}; correct it or write it again"
        ) from None
    except RecursionError:
        raise UserError(f"{found}: nested too deeply for a file of this kind; give another file") from None
    except ValueError:
        raise UserError(f"{found}: a number has thousands of digits; correct it") from None


def read_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object of a JSON file. Raises UserError that names file and position, and for a file with another value."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: is {kind(value)}; it must be a JSON object; copy the file again")
    return value


def hidden(path: Path, folder: Path) -> bool:
    """Whether `path` is below a name of `folder` that begins with a dot: macOS leaves `._x.jpg` beside x.jpg."""
    return any(name.startswith(".") for name in path.relative_to(folder).parts)


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_folder() -> Path:
    """The folder for downloads and cached results: `$VLHYPER_CACHE`, or the user's cache folder."""
    if os.environ.get("VLHYPER_CACHE"):
        return Path(os.environ["VLHYPER_CACHE"])
    # Without an author and Windows' own "Cache" below it, as releases before platformdirs had it.
    return user_cache_path("vlhyper", appauthor=False, opinion=False)
