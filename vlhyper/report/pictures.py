"""Small pictures of the samples, as many as fit into the file."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps

from vlhyper.errors import UserError
from vlhyper.files import hidden
from vlhyper.readers.image_keys import best_of, found_by
from vlhyper.readers.images import PICTURES, match_images

# Longest sides in pixels, and the bytes of a photograph of COCO: the largest is taken with which all fit.
SIDES = {320: 9_500, 224: 5_200, 160: 3_000}
# Of WebP. A better method saves 4 % and takes twice as long.
QUALITY, METHOD = 70, 2
# The text of a data set's split within image names, for which no name is searched.
NO_SPLIT = "\0"
# Pictures are made so many at a time, which bounds the memory.
CHUNK = 64


class Pictures:
    """The image files of some folders, by name without ending."""

    def __init__(self, folders: Iterable[str | Path]) -> None:
        """Raises UserError for a folder that does not exist."""
        self.files: dict[str, Path] = {}
        self.folders = list(map(str, folders))
        for folder in map(Path, self.folders):
            if not folder.is_dir():
                raise UserError(f"{folder}: no such folder; --images names folders of pictures")
            for file in sorted(folder.rglob("*")):
                if file.suffix.lower() in PICTURES and not hidden(file, folder):
                    self.files.setdefault(file.stem, file)

    def find(self, images: Sequence[str], templates: Sequence[str] = ()) -> dict[str, Path]:
        """The file of each image that has one. templates: the image keys of a manifest, tried before all others."""
        if not self.files:
            return {}
        found = match_images(images, templates, self.files).keys if templates else {}
        rest = [image for image in dict.fromkeys(images) if image and image not in found]
        if rest:
            found = match_images(rest, best_of(found_by(rest, self.files, NO_SPLIT)), self.files).keys | found
        return {image: self.files[key] for image, key in found.items()}

    def missed(self, images: Sequence[str], found: Mapping[str, Path]) -> list[str]:
        """What is to be said where folders were given and none of their files is of these images."""
        some = next((image for image in images if image), None)
        if found or some is None or not self.folders:
            return []
        return [f"None of the {len(self.files):,} pictures in {', '.join(self.folders)} is of an image such as {some}."]


def spread(cells: Sequence[Hashable]) -> list[int]:
    """The order in which the first samples of all cells come first, then the second ones, and so on."""
    seen: Counter[Hashable] = Counter()
    ranks = []
    for cell in cells:
        ranks.append(seen[cell])
        seen[cell] += 1
    return sorted(range(len(cells)), key=lambda index: ranks[index])


def thumbnails(wanted: Sequence[Path], room: int) -> tuple[dict[Path, bytes], list[Path]]:
    """WebP pictures of the first of these files that fit into `room` bytes of base64, and the files that are broken."""
    side = next((side for side, size in SIDES.items() if len(wanted) * size * 4 / 3 <= room), min(SIDES))
    made: dict[Path, bytes] = {}
    broken: list[Path] = []
    left = iter(dict.fromkeys(wanted))
    with ThreadPoolExecutor() as pool:
        while chunk := list(islice(left, CHUNK)):
            for file, picture in zip(chunk, pool.map(lambda one: _thumbnail(one, side), chunk), strict=True):
                if picture is None:
                    broken.append(file)
                    continue
                room -= 4 * -(-len(picture) // 3)
                if room < 0:
                    return made, broken
                made[file] = picture
    return made, broken


def _thumbnail(file: Path, side: int) -> bytes | None:
    """A picture within a square of `side` pixels; None for a file that is none."""
    try:
        with Image.open(file) as image:
            image.draft("RGB", (side, side))
            small = ImageOps.exif_transpose(image)
            small.thumbnail((side, side))
            written = io.BytesIO()
            small.convert("RGB").save(written, "WEBP", quality=QUALITY, method=METHOD)
            return written.getvalue()
    # Damaged files raise whatever their reader stumbles over.
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError):
        return None


def joined(pictures: Mapping[Path, bytes]) -> tuple[str, list[int], dict[Path, int]]:
    """All pictures as one text of base64, where in it each ends, and the number of each file."""
    texts = [base64.b64encode(picture).decode() for picture in pictures.values()]
    ends, end = [], 0
    for text in texts:
        end += len(text)
        ends.append(end)
    return "".join(texts), ends, {file: number for number, file in enumerate(pictures)}
