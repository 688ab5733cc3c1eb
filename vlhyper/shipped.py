"""The configs and manifests that come with vlhyper: of a clone its own folders, of an installed package copies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlhyper.errors import UserError, nearest
from vlhyper.files import replacing

Kind = Literal["configs", "data"]
PACKAGE = Path(__file__).resolve().parent
# Where the wheel has what lies beside the package in a clone (pyproject.toml).
INSTALLED = PACKAGE / "_shipped"
_FILE = re.compile(r"[\w./-]+\.ya?ml\b")
_SENTENCE = re.compile(r".*?\.(?=\s+[A-Z]|$)", re.DOTALL)


@dataclass(frozen=True)
class Shipped:
    """A file that comes with vlhyper; `name` is its path below `configs` or `data`, without the ending."""

    kind: Kind
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(shipped_folder() / self.kind).with_suffix("").as_posix()

    @property
    def about(self) -> str:
        """The first sentence of the comment that opens the file."""
        lines: list[str] = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            text = line.removeprefix("#").strip()
            if not line.startswith("#") or not text:
                break
            lines.append(text)
        comment = " ".join(lines)
        found = _SENTENCE.match(comment)
        return found[0] if found else comment

    @property
    def place(self) -> Path:
        """Where a copy lies below the folder that it is copied to: configs/vl_hyperpelt.yaml."""
        return place_of(self.path)


def shipped_folder() -> Path:
    """The folder with `configs` and `data`."""
    return INSTALLED if INSTALLED.is_dir() else PACKAGE.parent


def place_of(path: Path) -> Path:
    """The path of a shipped file or folder from `shipped_folder` on."""
    return path.relative_to(shipped_folder())


def shipped(kind: Kind) -> list[Shipped]:
    """All configs, or all manifests, those of the top folder first. None where only the code was installed."""
    folder = shipped_folder() / kind
    # No deeper: in a clone `data` may hold data sets too, of hundreds of thousands of files.
    return [Shipped(kind, path) for pattern in ("*.yaml", "*/*.yaml") for path in sorted(folder.glob(pattern))]


def find_shipped(name: str, *kinds: Kind) -> Shipped | None:
    """The file of that name; a file in a subfolder also by its last part, where no other has it. None for no name.

    Raises UserError for a name that several have.
    """
    wanted = name.removesuffix(".yaml")
    files = [file for kind in kinds for file in shipped(kind)]
    found = [file for file in files if wanted in (file.name, file.place.with_suffix("").as_posix())]
    found = found[:1] or [file for file in files if file.path.stem == wanted]
    if len(found) > 1:
        raise UserError(f"{name!r} may be {' or '.join(repr(file.name) for file in found)}; give one of these names")
    return found[0] if found else None


def no_such_file(path: Path, *kinds: Kind) -> UserError:
    """What is said of a path that does not exist and is no name either."""
    if path.suffix and (file := find_shipped(path.stem, *kinds)):
        return UserError(f"{path}: no such file; `vlhyper configs copy {file.name}` brings one of this name")
    if path.suffix or len(path.parts) > 1:
        return UserError(f"{path}: no such file; a config must exist")
    names = [name for kind in kinds for file in shipped(kind) for name in (file.name, file.path.stem)]
    return UserError(f"{path}: neither a file nor a config that comes with vlhyper{nearest(str(path), names)}")


def named_files(file: Path) -> list[Path]:
    """The YAML file itself and, in turn, all others that it names by a path relative to itself."""
    found: dict[Path, None] = {}
    waiting = [file.resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = None
            waiting += [other for name in _names_in(path) if (other := (path.parent / name).resolve()).is_file()]
    return list(found)


def _names_in(path: Path) -> list[str]:
    """What looks like the path of a YAML file, outside comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [name for line in lines for name in _FILE.findall(re.sub(r"(^|\s)#.*", "", line))]


def copy_shipped(name: str, to: Path) -> tuple[list[Path], list[Path]]:
    """Copy a config or manifest with all files that it names into `to`, laid out as here, so that its paths hold.

    Returns the files that were written, the one asked for first, and those that were there and are the same.
    Raises UserError for an unknown name, and, before anything is written, where another file is in the way.
    """
    file = find_shipped(name, "configs", "data")
    if file is None:
        names = [file.name for kind in ("configs", "data") for file in shipped(kind)]
        raise UserError(f"{name!r}: no such config or manifest{nearest(name, names)} (`vlhyper configs` lists them)")
    root = shipped_folder().resolve()
    copies = {path: to / path.relative_to(root) for path in named_files(file.path)}
    same = [copy for path, copy in copies.items() if copy.is_file() and copy.read_bytes() == path.read_bytes()]
    for copy in copies.values():
        if copy.exists() and copy not in same:
            raise UserError(f"{copy}: is there already and differs; move it away, or copy to another folder with --to")
    written = []
    for path, copy in copies.items():
        if copy not in same:
            with replacing(copy) as part:
                part.write_bytes(path.read_bytes())
            written.append(copy)
    return written, same
