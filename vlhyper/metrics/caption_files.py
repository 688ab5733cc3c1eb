"""Reference captions: COCO's captions files and Karpathy's dataset_coco.json; and COCO results files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlhyper.errors import UserError
from vlhyper.metrics.reading import Source, field_of, keyed_texts, kind, load_json, shown, text_of, whole_number
from vlhyper.splits import karpathy_names

SHAPE = '[{"image_id": 391895, "caption": "a man riding a bike"}]'
# Karpathy's restval images are training images.


def read_references(annotations: str, split: str | None = None) -> dict[int, list[str]]:
    """The captions of each image, images and captions in the order of the file.

    split: train, val or test of Karpathy's file (test where none is given); COCO's files are one split each.
    Raises UserError that names the record.
    """
    value = load_json(annotations)
    if not isinstance(value, Mapping) or not isinstance(value.get("images"), list):
        raise UserError(
            f"{annotations}: holds {kind(value)} without a list 'images'; give COCO captions or dataset_coco.json"
        )
    if isinstance(value.get("annotations"), list):
        if split is not None:
            raise UserError(f"{annotations}: COCO's captions files are one split each; leave --split {split} out")
        found = _from_coco(value, annotations)
    else:
        found = _from_karpathy(value["images"], annotations, split or "test")
    if not found:
        raise UserError(f"{annotations}: holds no caption")
    return found


def _from_coco(value: Mapping[str, Any], path: str) -> dict[int, list[str]]:
    captions: dict[int, list[str]] = {}
    for index, image in enumerate(value["images"]):
        where = f"{path}: image {index}"
        captions[whole_number(field_of(image, "id", where), "id", where)] = []
    for index, record in enumerate(value["annotations"]):
        where = f"{path}: annotation {index}"
        image = whole_number(field_of(record, "image_id", where), "image_id", where)
        if image not in captions:
            raise UserError(f"{where}: image {image} is not among the file's images")
        captions[image].append(text_of(field_of(record, "caption", where), "caption", where))
    return {image: texts for image, texts in captions.items() if texts}


def _from_karpathy(images: list[Any], path: str, split: str) -> dict[int, list[str]]:
    wanted = karpathy_names(split)
    captions = {}
    for index, image in enumerate(images):
        where = f"{path}: image {index}"
        if field_of(image, "split", where) not in wanted:
            continue
        key = "cocoid" if "cocoid" in image else "imgid"
        sentences = field_of(image, "sentences", where)
        if not isinstance(sentences, list) or not sentences:
            raise UserError(
                f"{where}: 'sentences' is {shown(sentences) if sentences else 'empty'}; it must be a list of captions"
            )
        texts = [text_of(field_of(sentence, "raw", where), "raw", where) for sentence in sentences]
        identifier = whole_number(field_of(image, key, where), key, where)
        if identifier in captions:
            raise UserError(f"{where}: image {identifier} stands twice; keep one record of it")
        captions[identifier] = texts
    return captions


def read_predictions(source: Source) -> dict[int, str]:
    """A COCO results file, or the same as a list, as {image id: caption}. Raises UserError for any other shape."""
    return keyed_texts(source, "image_id", "caption", whole_number, SHAPE)
