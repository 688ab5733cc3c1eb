"""Draw a scene: flat shapes on a light background with a soft gradient."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from vlhyper.world.scene import Scene, Thing

SIDE = 224
# Shapes are drawn larger and then reduced: PIL draws polygons without antialiasing, and rotated edges would look noisy.
_OVERSAMPLING = 4
_REACH = 1.4


def draw(scene: Scene, rng: Random) -> Image.Image:
    """The picture of a scene, 224×224 RGB. `rng` determines only the background."""
    picture = _background(rng)
    for thing in scene:
        corner, stencil = _stencil(thing)
        picture.paste(thing.rgb, corner, stencil)
    return picture


def save(picture: Image.Image, path: Path) -> None:
    """Save as JPEG with full colour resolution: subsampled colour would blur the smallest shapes."""
    picture.save(path, "JPEG", quality=85, subsampling=0)


def _background(rng: Random) -> Image.Image:
    base = rng.randint(190, 240)
    dark = tuple(base + rng.randint(-10, 5) for _ in range(3))
    light = tuple(value + rng.randint(0, 12) for value in dark)
    picture = Image.new("RGB", (SIDE, SIDE), dark)
    picture.paste(light, (0, 0), _light(rng.randrange(4)))
    return picture


@cache
def _light(direction: int) -> Image.Image:
    return Image.linear_gradient("L").rotate(90 * direction).resize((SIDE, SIDE))


def _stencil(thing: Thing) -> tuple[tuple[int, int], Image.Image]:
    """The thing as a mask, and the position of the mask's upper left corner in the picture."""
    half = math.ceil(thing.radius * SIDE * _REACH) + 1
    left, top = int(thing.x * SIDE) - half, int(thing.y * SIDE) - half
    stencil = Image.new("L", (2 * half * _OVERSAMPLING,) * 2)
    x, y = (thing.x * SIDE - left) * _OVERSAMPLING, (thing.y * SIDE - top) * _OVERSAMPLING
    _outline(ImageDraw.Draw(stencil), thing, x, y, thing.radius * SIDE * _OVERSAMPLING)
    return (left, top), stencil.reduce(_OVERSAMPLING)


def _outline(canvas: ImageDraw.ImageDraw, thing: Thing, x: float, y: float, radius: float) -> None:
    if thing.shape == "circle":
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        return
    turned = [(reach * radius, angle + thing.turn) for reach, angle in _corners(thing.shape)]
    canvas.polygon([(x + r * math.cos(a), y + r * math.sin(a)) for r, a in turned], fill=255)


@cache
def _corners(shape: str) -> list[tuple[float, float]]:
    """Corners as (fraction of the radius, angle), such that the four shapes of one size have similar areas."""
    if shape == "square":
        return [(1.15, math.pi / 4 + math.pi / 2 * k) for k in range(4)]
    if shape == "triangle":
        return [(1.3, -math.pi / 2 + 2 * math.pi / 3 * k) for k in range(3)]
    return [(1.35 if k % 2 == 0 else 0.55, -math.pi / 2 + math.pi / 5 * k) for k in range(10)]
