"""COCO captions, official and in Karpathy's dataset_coco.json: one row an image, all wordings its targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from typing_extensions import NotRequired, TypedDict

from vlhyper.errors import UserError, first_few
from vlhyper.readers.fields import Row, ident, items, make_row, text
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_items, read_rows
from vlhyper.splits import karpathy_names


class Image(TypedDict):
    id: Any
    file_name: Any


class Caption(TypedDict):
    image_id: Any
    caption: Any


class Wording(TypedDict):
    raw: Any


class KarpathyImage(TypedDict):
    """An image of dataset_coco.json, or of one of its Flickr sisters, which have no `cocoid`."""

    split: Any
    filename: Any
    sentences: list[Wording]
    imgid: NotRequired[Any]
    cocoid: NotRequired[Any]


class KarpathyId(TypedDict):
    split: Any
    cocoid: Any


def read_captions(source: Source) -> Iterator[Row]:
    """Official files. An image without a caption has no targets, which is what image_info_test*.json consists of."""
    for path in source.paths("annotations"):
        wordings = _wordings(path)
        yield from read_rows(path, json_items(path, "images", Image), partial(_captioned, wordings))
        if wordings:
            raise UserError(f"{path}: captions of images that are not listed (image_id {first_few(wordings)}); mend it")


def _wordings(path: Path) -> dict[str, list[str]]:
    """Captions by image id, in file order."""
    found: dict[str, list[str]] = defaultdict(list)

    def collect(annotation: Any) -> Iterable[Row]:
        if caption := text(annotation, "caption").strip():
            found[ident(annotation, "image_id")].append(caption)
        return ()

    for _ in read_rows(path, _annotations(path), collect):
        pass
    return found


def _annotations(path: Path) -> Iterator[Any]:
    """The captions; image_info files of the test splits have no such list."""
    return iter(()) if path.name.startswith("image_info") else json_items(path, "annotations", Caption)


def _captioned(wordings: dict[str, list[str]], image: Any) -> Iterator[Row]:
    id = ident(image, "id")
    yield make_row(id, PurePosixPath(text(image, "file_name")).stem, wordings.pop(id, []))


def read_karpathy(source: Source) -> Iterator[Row]:
    """Karpathy's file, of which option `subset` takes train (restval belongs to it), val or test."""
    wanted = karpathy_names(source.options["subset"])

    def shape(image: Any) -> Iterator[Row]:
        if text(image, "split") in wanted:
            captions = [text(sentence, "raw").strip() for sentence in items(image, "sentences")]
            stem = PurePosixPath(text(image, "filename")).stem
            yield make_row(_number(image), stem, captions)

    for path in source.paths("annotations"):
        yield from read_rows(path, json_items(path, "images", KarpathyImage), shape)


def _number(image: Any) -> str:
    """The COCO id. Karpathy's files of Flickr8k and Flickr30k have none; there the running number stands for it."""
    return ident(image, "cocoid" if "cocoid" in image else "imgid")


def karpathy_image_ids(paths: Iterable[Path], subset: str) -> set[str]:
    """COCO ids of the images in a Karpathy split."""
    wanted = karpathy_names(subset)
    found: set[str] = set()

    def collect(image: Any) -> Iterable[Row]:
        if text(image, "split") in wanted:
            found.add(ident(image, "cocoid"))
        return ()

    for path in paths:
        for _ in read_rows(path, json_items(path, "images", KarpathyId), collect):
            pass
    return found
