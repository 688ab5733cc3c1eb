"""COCO captions, official and in Karpathy's dataset_coco.json: one row an image, all wordings its targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from typing_extensions import NotRequired, TypedDict

from vlhyper.errors import UserError
from vlhyper.readers.fields import Row, ident, items, make_row, number_id, optional, text, value, whole_text
from vlhyper.readers.gold import Gold, without_duplicates
from vlhyper.readers.images import without_ending
from vlhyper.readers.source import Source
from vlhyper.readers.splits import karpathy_names
from vlhyper.readers.streams import json_items, read_rows
from vlhyper.wording import some

Found = TypeVar("Found")
# An image's id, the name of its file where that is known, and its captions.
Captioned = tuple[Any, Any, list[str]]


class Image(TypedDict):
    id: Any
    file_name: Any


class ImageId(TypedDict):
    id: Any


class NamedId(TypedDict):
    id: Any
    file_name: NotRequired[Any]


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
        yield from _per_image(path, Image, _row)


def read_caption_gold(source: Source) -> Gold:
    """The captions of each image as people wrote them. Raises UserError that names the record."""
    if source.options.get("subset") is not None:
        raise UserError(f"{_named(source)}: COCO's captions files are one split each; leave out --split")
    return _gold([one for path in source.paths("annotations") for one in _per_image(path, NamedId, _captioned)], source)


def coco_image_ids(path: Path) -> list[int | str]:
    """The ids of a COCO file that lists images, such as image_info_test2014.json."""
    found = list(read_rows(path, json_items(path, "images", ImageId), lambda one: [number_id(value(one, "id"), "id")]))
    without_duplicates(found, str(path), "image id")
    return found


def _per_image(path: Path, form: Any, shape: Callable[[Any, list[str]], Found]) -> Iterator[Found]:
    """What `shape` makes of each image and its captions."""
    captions = _captions(path)

    def of_image(image: Any) -> Iterable[Found]:
        yield shape(image, captions.pop(ident(image, "id"), []))

    yield from read_rows(path, json_items(path, "images", form), of_image)
    if captions:
        raise UserError(f"{path}: captions of images that are not listed (image_id {some(captions)}); correct it")


def _row(image: Any, captions: list[str]) -> Row:
    stem = PurePosixPath(text(image, "file_name")).stem
    return make_row(ident(image, "id"), stem, _stripped(captions))


def _captioned(image: Any, captions: list[str]) -> Captioned:
    return number_id(value(image, "id"), "id"), optional(image, "file_name"), captions


def _stripped(captions: list[str]) -> list[str]:
    return [caption.strip() for caption in captions]


def _gold(found: list[Captioned], source: Source) -> Gold:
    without_duplicates([id for id, _, _ in found], _named(source), "image id")
    captioned = [one for one in found if one[2]]
    if not captioned:
        raise UserError(f"{_named(source)}: has no caption of this split")
    ids, files, captions = map(list, zip(*captioned, strict=True))
    return Gold(ids, captions, names=file_names(files))


def file_names(files: Sequence[Any]) -> list[list[Any]]:
    """The names of image files as predictions may have them for ids, with and without ending; none where one lacks."""
    if not all(isinstance(file, str) and file for file in files):
        return []
    return [[number_id(PurePosixPath(shape(file)).name, "id") for file in files] for shape in (str, without_ending)]


def _named(source: Source) -> str:
    return ", ".join(map(str, source.paths("annotations")))


def _captions(path: Path) -> dict[str, list[str]]:
    """Captions by image id, in file order, as they are written."""
    found: dict[str, list[str]] = defaultdict(list)

    def collect(annotation: Any) -> Iterable[Row]:
        found[ident(annotation, "image_id")].append(whole_text(annotation, "caption"))
        return ()

    for _ in read_rows(path, _annotations(path), collect):
        pass
    return found


def _annotations(path: Path) -> Iterator[Any]:
    """The captions; image_info files of the test splits have no such list."""
    return iter(()) if path.name.startswith("image_info") else json_items(path, "annotations", Caption)


def read_karpathy(source: Source) -> Iterator[Row]:
    """Karpathy's file, of which option `subset` takes train (restval belongs to it), val or test."""

    def shape(image: Any) -> Row:
        stem = PurePosixPath(text(image, "filename")).stem
        return make_row(ident(image, _id_key(image)), stem, _stripped(_sentences(image)))

    yield from _of_subset(*_chosen(source), KarpathyImage, shape)


def read_karpathy_gold(source: Source) -> Gold:
    """The captions of each image of option `subset` (test unless set), as people wrote them."""
    return _gold(list(_of_subset(*_chosen(source), KarpathyImage, _karpathy_captioned)), source)


def _chosen(source: Source) -> tuple[Sequence[Path], str]:
    return source.paths("annotations"), source.options.get("subset") or "test"


def _of_subset(paths: Iterable[Path], subset: str, form: Any, shape: Callable[[Any], Found]) -> Iterator[Found]:
    """What `shape` makes of each image of a Karpathy split."""
    wanted = karpathy_names(subset)

    def of_image(image: Any) -> Iterable[Found]:
        if text(image, "split") in wanted:
            yield shape(image)

    for path in paths:
        yield from read_rows(path, json_items(path, "images", form), of_image)


def _sentences(image: Any) -> list[str]:
    return [whole_text(sentence, "raw") for sentence in items(image, "sentences")]


def _karpathy_captioned(image: Any) -> Captioned:
    key = _id_key(image)
    return number_id(value(image, key), key), optional(image, "filename"), _sentences(image)


def _id_key(image: Any) -> str:
    """The COCO id. Karpathy's files of Flickr8k and Flickr30k have none; there the running number is used."""
    return "cocoid" if "cocoid" in image else "imgid"


def karpathy_image_ids(paths: Iterable[Path], subset: str) -> set[str]:
    """COCO ids of the images in a Karpathy split."""
    return set(_of_subset(paths, subset, KarpathyId, lambda image: ident(image, "cocoid")))
