"""Image files of a folder, found by what captions call their images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.readers.images import PICTURES, image_number, without_ending
from vlhyper.readers.opening import folder_files
from vlhyper.wording import named, some


def picture_files(folder: Path, ids: Sequence[Any], names: Sequence[Sequence[Any]] = ()) -> list[Path]:
    """The image file of each id: called so, or by one of its other names, with or without ending, or by its number.

    Raises UserError that names the ids without a file, and files of which several are meant by one id.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; --images is the folder of the images")
    by_name: dict[str, list[Path]] = defaultdict(list)
    by_number: dict[str, list[Path]] = defaultdict(list)
    for path in folder_files(folder, "*"):
        if path.suffix.lower() in PICTURES:
            by_name[path.stem].append(path)
            by_number[image_number(path.stem)].append(path)
    calls = zip(ids, *names, strict=True)
    found: list[list[Path]] = []
    for called in calls:
        stems = [name for name in map(without_ending, map(str, called)) if name in by_name]
        found.append(by_name[stems[0]] if stems else by_number.get(image_number(str(called[0])), []))
    if missing := [id for id, paths in zip(ids, found, strict=True) if not paths]:
        raise UserError(f"{folder}: no image of {len(missing)} of {len(ids)} ids ({some(missing)}); is it the folder?")
    if double := [(id, paths) for id, paths in zip(ids, found, strict=True) if len(paths) > 1]:
        id, (first, second, *_) = double[0]
        raise UserError(f"{folder}: {first.name} and {second.name} are both {named(id)}; keep one of them")
    return [paths[0] for paths in found]
