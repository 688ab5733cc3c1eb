"""Read one image file as RGB pixels, by fixed rules. No torch here: worker processes start fast and stay small.

Rules: grey, palette, CMYK and YCbCr become RGB; 16-bit grey is scaled to 8 bits; transparent pixels are blended with
white; of an animation the first frame is used; EXIF rotation is not applied (nor was it for the published features).
"""

from __future__ import annotations

import stat
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

RULES = "RGB; 16-bit grey scaled; alpha on white; first frame; EXIF rotation not applied"
# Pixel formats only: Pillow would pass EPS and similar files to an interpreter.
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA")
# Pillow's own limit, beyond which it takes a file for a decompression bomb.
MOST_PIXELS = 178_956_970
# The EXIF tag.
ORIENTATION = 274

# Decoded images, (k, height, width, 3) uint8, and for each of the k why it could not be read (None: it was read).
Decoded = tuple[np.ndarray, list[str | None]]


def decode(paths: Sequence[Path], size: tuple[int, int], resample: str, most_pixels: int = MOST_PIXELS) -> Decoded:
    """Read the images of `paths` and resize them to `size` (height, width); an unreadable image stays zero.

    most_pixels: images of more are not read; 0 for no limit.
    """
    pixels = np.zeros((len(paths), *size, 3), np.uint8)
    whys: list[str | None] = [None] * len(paths)
    for index, path in enumerate(paths):
        try:
            pixels[index] = squash(read_rgb(path, most_pixels), size, resample)
        # Decoders raise many kinds of errors for broken files; the other images must still be read.
        except Exception as error:
            whys[index] = reason(error, path)
    return pixels, whys


def squash(image: Image.Image, size: tuple[int, int], resample: str) -> np.ndarray:
    """Resize to (height, width, 3) uint8 without keeping the aspect ratio; Pillow antialiases when it shrinks."""
    height, width = size
    return np.asarray(image.resize((width, height), Image.Resampling[resample.upper()]))


def read_rgb(path: Path, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """The image of `path` in mode RGB. Raises the errors of Pillow for a file it cannot read."""
    # Reading a pipe could wait forever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")
    with PIXELS_ONLY, Image.open(path, formats=formats()) as image:
        width, height = image.size
        if most_pixels and width * height > most_pixels:
            raise ValueError(f"{width} x {height} pixels are more than {most_pixels}; --max-pixels 0 lifts the limit")
        if isinstance(image, TiffImageFile):
            # Pillow rotates only TIFF images by their orientation when it loads them.
            image.tag_v2.pop(ORIENTATION, None)
            image.getexif().pop(ORIENTATION, None)
        return to_rgb(image)


class _PixelStream(PngImagePlugin.PngStream):
    """The chunks of a PNG without texts and colour profiles: Pillow refuses large ones, and no pixel needs them."""

    def _skip(self, pos: int, length: int) -> bytes:
        assert self.fp is not None
        return ImageFile._safe_read(self.fp, length)

    chunk_tEXt = chunk_zTXt = chunk_iTXt = chunk_iCCP = _skip


@contextmanager
def _pixels_only() -> Iterator[None]:
    """Let Pillow open images of any size, which are limited above, with any texts and without warnings."""
    limit, stream = Image.MAX_IMAGE_PIXELS, PngImagePlugin.PngStream
    Image.MAX_IMAGE_PIXELS, PngImagePlugin.PngStream = None, _PixelStream  # type: ignore[misc]
    try:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata, which changes no pixel.
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.PngStream = limit, stream  # type: ignore[misc]


class Overlapping:
    """A context that threads enter at the same time: the first one sets it up, the last one takes it down."""

    def __init__(self, context: Callable[[], AbstractContextManager[None]]) -> None:
        self._context, self._lock, self._inside, self._open = context, threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._open.enter_context(self._context())
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._open.close()


# What Pillow may open and whether it warns are settings of the whole process.
PIXELS_ONLY = Overlapping(_pixels_only)


@lru_cache
def formats() -> list[str]:
    """The formats of which this Pillow reads pixels."""
    # Pillow may be built without some formats, and it refuses names that it does not know.
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` in mode RGB by the rules of this module."""
    if image.mode == "F":
        raise ValueError("floating-point pixels have no standard range")
    if image.mode.startswith("I"):
        return _from_16_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def reason(error: Exception, path: Path | None = None) -> str:
    """Why an image, perhaps that of a file, could not be read, in a few words."""
    if path and path.is_symlink() and not path.exists():
        return f"broken link to {path.readlink()}"
    if isinstance(error, FileNotFoundError):
        return "the file no longer exists"
    if path and path.is_file() and path.stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    return " ".join(str(error).split()) or type(error).__name__
