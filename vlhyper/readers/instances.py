"""COCO's instances files: which objects are segmented in an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from vlhyper.errors import UserError
from vlhyper.readers.coco import coco_image_ids
from vlhyper.readers.fields import number_id, text, value
from vlhyper.readers.images import image_number, without_ending
from vlhyper.readers.source import expand
from vlhyper.readers.streams import json_items, read_rows
from vlhyper.wording import some


class Instance(TypedDict):
    image_id: Any
    category_id: Any


class Category(TypedDict):
    id: Any
    name: Any


def segmented_objects(path: Path, ids: Sequence[Any], known: Sequence[str]) -> list[set[str]]:
    """The names of the categories that are segmented in each image.

    Args:
        path: instances_val2014.json, or a pattern such as instances_*2014.json.
        ids: of images, as numbers or as names of files that end in them.
        known: the categories that there may be.

    Raises UserError for images that the files do not list, and for records that are wrong.
    """
    found: dict[Any, set[str]] = defaultdict(set)
    listed: set[Any] = set()
    for file in expand(path) or [path]:
        listed |= set(coco_image_ids(file))
        names = dict(read_rows(file, json_items(file, "categories", Category), _category))
        if strange := sorted(set(names.values()) - set(known)):
            raise UserError(f"{file}: {some(strange)} is no category of COCO; give COCO's own instances file")
        pairs = read_rows(file, json_items(file, "annotations", Instance), partial(_pair, names))
        for image, name in pairs:
            found[image].add(name)
    numbers = [number_id(image_number(without_ending(str(id))), "id") for id in ids]
    missing = [id for id, number in zip(ids, numbers, strict=True) if number not in listed]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {len(ids)} images are not in it ({some(missing)}); give the instances file of "
            "their split, or a pattern of several in quotes"
        )
    return [found[number] for number in numbers]


def _category(record: Any) -> list[tuple[Any, str]]:
    return [(value(record, "id"), text(record, "name"))]


def _pair(names: dict[Any, str], record: Any) -> list[tuple[Any, str]]:
    return [(number_id(value(record, "image_id"), "image_id"), names[value(record, "category_id")])]
