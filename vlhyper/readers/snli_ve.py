"""SNLI-VE: one JSON object a line; the picture is the premise, `sentence2` the hypothesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vlhyper.errors import UserError
from vlhyper.published import LABELS, NO_MAJORITY
from vlhyper.readers.fields import FieldError, Row, ident, make_row, optional, shown, text
from vlhyper.readers.gold import Gold, without_duplicates
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_lines, read_rows

# The released files spell Flickr in their own ways.
IMAGE_KEYS = ("Flikr30kID", "Flickr30K_ID", "Flickr30kID", "Flickr30k_ID")


def read_snli_ve(source: Source) -> Iterator[Row]:
    """Rows in file order; those whose `gold_label` is null or lacking have no target."""
    for path in source.paths("annotations"):
        yield from read_rows(path, json_lines(path), _shape)


def read_snli_ve_gold(source: Source) -> Gold:
    """Labels by pairID, and as `others` the pairs without one. Raises UserError that names the record."""
    paths = source.paths("annotations")
    found = [pair for path in paths for pair in read_rows(path, json_lines(path), _pair)]
    where = ", ".join(map(str, paths))
    without_duplicates([id for id, _ in found], where, "pairID")
    gold = {id: label for id, label in found if label not in (None, "", NO_MAJORITY)}
    if not gold:
        raise UserError(f"{where}: has no labelled pair")
    # A pair is named after its image: 4705552913.jpg#2r1n.
    images = [id.split("#")[0] for id in gold]
    return Gold(list(gold), list(gold.values()), images, others={id: label for id, label in found if id not in gold})


def _pair(record: Any) -> list[tuple[str, str | None]]:
    return [(text(record, "pairID"), _label(record))]


def _label(record: Any) -> str | None:
    """The label, NO_MAJORITY, or None or nothing where it is hidden."""
    label: str | None = optional(record, "gold_label")
    labels = LABELS["snli-ve"]
    if label not in (None, "", NO_MAJORITY, *labels):
        raise FieldError(f"'gold_label' must be {', '.join(labels)} or {NO_MAJORITY}, is {shown(label)}")
    return label


def _shape(record: Any) -> Iterator[Row]:
    label = _label(record)
    if label == NO_MAJORITY:
        return
    image = next((ident(record, key) for key in IMAGE_KEYS if key in record), None)
    if image is None:
        raise FieldError(f"has no image; its key is {' or '.join(map(repr, IMAGE_KEYS[:2]))}")
    yield make_row(
        ident(record, "pairID"),
        image.removesuffix(".jpg"),
        [] if label is None else [label],
        hypothesis=text(record, "sentence2"),
    )
