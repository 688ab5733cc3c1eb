"""Which feature row is meant: the same picture is 391895 in one file and COCO_val2014_000000391895 in another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from vlhyper.errors import UserError

_NUMBER = re.compile(r"(?:.*_)?(\d+)")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def without_ending(name: str) -> str:
    """The name of an image file without folder and ending, as features have it; any other id as it is."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in PICTURES else name


class ImageId(str):
    """Fills `{id}` as it is and `{id:012d}` by its number; that of COCO_val2014_000000391895 is 391895."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        if not spec.endswith("d"):
            return format(str(self), spec)
        if not (number := _NUMBER.fullmatch(self)):
            raise ValueError(f"image id {self} has no number")
        return format(int(number[1]), spec)


def image_number(id: str) -> str:
    """The number of an image id, the same in all names of one picture; an id without one is itself.

    >>> image_number("COCO_val2014_000000391895"), image_number("n161313")
    ('391895', 'n161313')
    """
    number = _NUMBER.fullmatch(id)
    return str(int(number[1])) if number else id


@dataclass(frozen=True)
class Matches:
    """Feature key by annotation id, how many ids each template found, and the ids none fits."""

    keys: dict[str, str]
    used: Counter[str]
    missing: list[str]


def resolve_image(raw_id: str, templates: Iterable[str], known_ids: Container[str]) -> str | None:
    """The first key a template makes of `raw_id` that is known, or None."""
    return next((key for _, key in _candidates(raw_id, templates) if key in known_ids), None)


def match_images(raw_ids: Iterable[str], templates: Collection[str], known_ids: Container[str]) -> Matches:
    """Resolve many ids at once; doubles are looked up once."""
    matches = Matches({}, Counter(), [])
    for raw_id in dict.fromkeys(raw_ids):
        for template, key in _candidates(raw_id, templates):
            if key in known_ids:
                matches.keys[raw_id] = key
                matches.used[template] += 1
                break
        else:
            matches.missing.append(raw_id)
    return matches


def _candidates(raw_id: str, templates: Iterable[str]) -> Iterable[tuple[str, str]]:
    for template in templates:
        try:
            yield template, template.format(id=ImageId(raw_id))
        except ValueError:
            continue


def tried(raw_id: str, templates: Iterable[str]) -> list[str]:
    """The keys that the templates make of an id."""
    return [key for _, key in _candidates(raw_id, templates)]


def check_template(template: str) -> None:
    """Raises UserError where a template is no template of `id`."""
    try:
        template.format(id=ImageId("1"), split="train2014")
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise UserError(
            f"image_key {template!r} cannot be filled ({error}); write it like COCO_val2014_{{id:012d}}"
        ) from None
