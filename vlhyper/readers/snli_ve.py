"""SNLI-VE: one JSON object a line; the picture is the premise, `sentence2` the hypothesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vlhyper.readers.fields import FieldError, Row, ident, make_row, optional, shown, text
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_lines, read_rows

# The released files spell Flickr in their own ways; `-` marks pairs on which the annotators did not agree.
IMAGE_KEYS = ("Flikr30kID", "Flickr30K_ID", "Flickr30kID", "Flickr30k_ID")
NO_AGREEMENT = "-"
LABELS = ("entailment", "neutral", "contradiction")


def read_snli_ve(source: Source) -> Iterator[Row]:
    """Rows in file order; those whose `gold_label` is null or lacking have no target."""
    for path in source.paths("annotations"):
        yield from read_rows(path, json_lines(path), _shape)


def _shape(record: Any) -> Iterator[Row]:
    label = optional(record, "gold_label")
    if label == NO_AGREEMENT:
        return
    if label not in (None, "", *LABELS):
        raise FieldError(f"'gold_label' must be {', '.join(LABELS)} or -, is {shown(label)}")
    image = next((ident(record, key) for key in IMAGE_KEYS if key in record), None)
    if image is None:
        raise FieldError(f"has no image; it stands under {' or '.join(map(repr, IMAGE_KEYS[:2]))}")
    yield make_row(
        ident(record, "pairID"),
        image.removesuffix(".jpg"),
        [] if label is None else [label],
        hypothesis=text(record, "sentence2"),
    )
