"""List the images of files and folders by id; the id is the file name without its suffix."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vlhyper.console import say
from vlhyper.errors import UserError, first_few
from vlhyper.files import existing_file

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".avif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".tga"),
)


def find_images(sources: Sequence[Path], wanted: Path | None = None) -> dict[str, Path]:
    """The images of `sources` by id: files in the order given, folders with their subfolders sorted by path.

    In folders names that begin with a dot are ignored.

    wanted: a file with one id (or file name) per line; only these images are kept, in the order found. Raises UserError
    for a source that does not exist, a folder without images, two files with one id, and wanted ids without a file.
    """
    found: dict[str, Path] = {}
    for path in _walk(sources):
        image = path.stem
        try:
            image.encode()
        except UnicodeEncodeError:
            raise UserError(f"{str(path)!r}: the name is not UTF-8, so it cannot be an id; rename the file") from None
        other = found.setdefault(image, path)
        if other != path and os.path.realpath(other) != os.path.realpath(path):
            raise UserError(
                f"{other} and {path} would have the same id {image!r}; rename one, or extract the folders one after "
                "the other to the same --out, which keeps the first image"
            )
    return found if wanted is None else _only(found, wanted)


def _only(found: dict[str, Path], wanted: Path) -> dict[str, Path]:
    try:
        # Only a newline ends an id: names may contain U+2028 and similar characters.
        lines = existing_file(wanted, "the list of ids").read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{wanted}: not UTF-8 (byte {error.start}); save the list as UTF-8") from None
    asked = [line.strip() for line in lines if line.strip()]
    if not asked:
        raise UserError(f"{wanted}: contains no ids; write one id per line, or omit --list")
    # An id may contain dots, so a suffix is removed only where the whole line is not an id.
    ids = dict.fromkeys(line if line in found else Path(line).stem for line in asked)
    missing = [image for image in ids if image not in found]
    if missing:
        raise UserError(
            f"{wanted}: no image for {first_few(missing)} ({len(missing)} of {len(ids)} ids); "
            "add their folder to IMAGES"
        )
    return {image: path for image, path in found.items() if image in ids}


def _walk(sources: Iterable[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_dir():
            yield from _folder(source)
        elif source.exists() or source.is_symlink():
            yield source
        else:
            raise UserError(f"{source}: no such file or folder")


def _folder(folder: Path) -> Iterator[Path]:
    found, ignored = [], Counter[str]()
    seen: set[str] = set()
    for below, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        if os.path.realpath(below) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(below))
        # Files like ._x.jpg, which macOS leaves beside x.jpg, are no images.
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            path = Path(below, name)
            if path.suffix.lower() in SUFFIXES:
                found.append(path)
            else:
                ignored[path.suffix or "no suffix"] += 1
    if ignored:
        kinds = first_few(f"{kind} × {count}" for kind, count in ignored.most_common())
        say(f"{folder}: {ignored.total()} files without an image suffix are ignored ({kinds})")
    if not found:
        raise UserError(f"{folder}: no images in this folder (looked for {' '.join(SUFFIXES)})")
    yield from sorted(found)


def _refuse(error: OSError) -> None:
    """A folder that cannot be listed may contain images, so it is not treated as empty."""
    raise UserError(
        f"{error.filename}: cannot list this folder ({error.strerror}); make it readable, or name only other folders"
    )
