"""The scenes of the miniature world: one to four things, each with a shape, a colour, a size and a place.

A scene is a tuple of things in no particular order. No two things of a scene share both colour and shape, and no two
share a place, so `the red circle` and `the object at the top left` each identify one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

SHAPES = ("circle", "square", "triangle", "star")
COLORS = ("red", "green", "blue", "yellow", "purple", "orange")
SIZES = ("small", "large")
ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "center", "right")
PLACES = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)

RGB = {
    "red": (214, 36, 40),
    "green": (42, 162, 64),
    "blue": (46, 82, 218),
    "yellow": (240, 220, 48),
    "purple": (146, 56, 176),
    "orange": (245, 138, 30),
}

ALL_PAIRS = tuple((color, shape) for color in COLORS for shape in SHAPES)
# Each shape is held out once and each colour at most once, so both parts of an unseen pair occur in other pairs.
UNSEEN_PAIRS = (("red", "star"), ("blue", "circle"), ("green", "triangle"), ("yellow", "square"))
SEEN_PAIRS = tuple(pair for pair in ALL_PAIRS if pair not in UNSEEN_PAIRS)

LEVELS = {"easy": (1, 3), "hard": (2, 4)}

_RADIUS = {"small": (0.053, 0.063), "large": (0.093, 0.104)}
_SHIFT = 0.028
_TURN = 0.25
_TINT = 18


@dataclass(frozen=True)
class Thing:
    """One object. `x`, `y` (centre) and `radius` are fractions of the picture's side, `turn` is in radians."""

    shape: str
    color: str
    size: str
    place: str
    x: float
    y: float
    radius: float
    turn: float
    rgb: tuple[int, int, int]

    @property
    def pair(self) -> tuple[str, str]:
        return self.color, self.shape

    @property
    def name(self) -> str:
        """`red circle`: identifies one thing of a scene."""
        return f"{self.color} {self.shape}".strip()

    @property
    def row(self) -> int:
        return PLACES.index(self.place) // 3

    @property
    def column(self) -> int:
        return PLACES.index(self.place) % 3


Scene = tuple[Thing, ...]


def draw_scene(rng: Random, level: str = "easy", unseen: bool = False) -> Scene:
    """A random scene of the level's number of things.

    With `unseen` the scene has at least one of UNSEEN_PAIRS, otherwise none.
    """
    least, most = LEVELS[level]
    count = rng.randint(least, most)
    pairs = _sample_pairs(rng, count, unseen)
    places = rng.sample(PLACES, count)
    return tuple(_thing(rng, color, shape, place) for (color, shape), place in zip(pairs, places, strict=True))


def reading_order(scene: Sequence[Thing]) -> list[Thing]:
    """Top row first, left to right: the order in which captions name things."""
    return sorted(scene, key=lambda thing: PLACES.index(thing.place))


def askable_pairs(scene: Scene) -> tuple[tuple[str, str], ...]:
    """Pairs that texts about a scene may name: unseen pairs only for scenes that show one."""
    return ALL_PAIRS if any(thing.pair in UNSEEN_PAIRS for thing in scene) else SEEN_PAIRS


def _sample_pairs(rng: Random, count: int, unseen: bool) -> list[tuple[str, str]]:
    if not unseen:
        return rng.sample(SEEN_PAIRS, count)
    first = rng.choice(UNSEEN_PAIRS)
    return [first, *rng.sample([pair for pair in ALL_PAIRS if pair != first], count - 1)]


def _thing(rng: Random, color: str, shape: str, place: str) -> Thing:
    size = rng.choice(SIZES)
    row, column = divmod(PLACES.index(place), 3)
    red, green, blue = (min(255, max(0, value + rng.randint(-_TINT, _TINT))) for value in RGB[color])
    return Thing(
        shape=shape,
        color=color,
        size=size,
        place=place,
        x=(column + 0.5) / 3 + rng.uniform(-_SHIFT, _SHIFT),
        y=(row + 0.5) / 3 + rng.uniform(-_SHIFT, _SHIFT),
        radius=rng.uniform(*_RADIUS[size]),
        turn=rng.uniform(-_TURN, _TURN),
        rgb=(red, green, blue),
    )
