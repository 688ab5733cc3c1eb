"""Scenes and pictures: what they may hold, that a seed fixes them, that things are where they are said to be."""

from random import Random

import numpy as np
import pytest
from PIL import Image

from vlhyper.world.draw import SIDE, draw, save
from vlhyper.world.scene import (
    ALL_PAIRS,
    COLORS,
    LEVELS,
    PLACES,
    RGB,
    SEEN_PAIRS,
    SHAPES,
    UNSEEN_PAIRS,
    askable_pairs,
    draw_scene,
)


def scenes(count: int, level: str = "easy", unseen: bool = False, seed: int = 0):
    rng = Random(seed)
    return [draw_scene(rng, level, unseen) for _ in range(count)]


def test_every_shape_is_held_out_once_and_every_part_of_a_pair_is_seen():
    assert sorted(shape for _, shape in UNSEEN_PAIRS) == sorted(SHAPES)
    assert {color for color, _ in SEEN_PAIRS} == set(COLORS)
    assert {shape for _, shape in SEEN_PAIRS} == set(SHAPES)
    assert set(SEEN_PAIRS) | set(UNSEEN_PAIRS) == set(ALL_PAIRS)
    assert not set(SEEN_PAIRS) & set(UNSEEN_PAIRS)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("unseen", [False, True])
def test_a_scene_keeps_the_rules(level, unseen):
    for scene in scenes(400, level, unseen):
        least, most = LEVELS[level]
        assert least <= len(scene) <= most
        assert len({thing.pair for thing in scene}) == len({thing.place for thing in scene}) == len(scene)
        assert any(thing.pair in UNSEEN_PAIRS for thing in scene) == unseen
        assert len(askable_pairs(scene)) == (len(ALL_PAIRS) if unseen else len(SEEN_PAIRS))


def test_every_pair_and_place_occurs():
    things = [thing for scene in scenes(600) for thing in scene]
    assert {thing.pair for thing in things} == set(SEEN_PAIRS)
    assert {thing.place for thing in things} == set(PLACES)


def test_a_seed_fixes_scene_and_picture():
    first, second = (np.asarray(draw(scenes(1, seed=3)[0], Random(4))) for _ in range(2))
    other = np.asarray(draw(scenes(1, seed=5)[0], Random(4)))
    assert (first == second).all()
    assert (first != other).any()


def test_a_saved_picture_shows_each_thing_at_its_place_in_its_colour(tmp_path):
    for number, scene in enumerate(scenes(30, "hard")):
        save(draw(scene, Random(number)), tmp_path / "one.jpg")
        with Image.open(tmp_path / "one.jpg") as image:
            assert image.size == (SIDE, SIDE) and image.mode == "RGB"
            pixels = np.asarray(image).astype(int)
        for thing in scene:
            row, column = int(thing.y * 3), int(thing.x * 3)
            assert PLACES[3 * row + column] == thing.place
            seen = pixels[int(thing.y * SIDE), int(thing.x * SIDE)]
            nearest = min(RGB, key=lambda color: np.abs(seen - RGB[color]).sum())
            assert nearest == thing.color


def test_large_things_cover_more_than_small_ones_whatever_their_shape():
    covered = {"small": [], "large": []}
    for number, scene in enumerate(scenes(200, "easy", seed=8)):
        if len(scene) == 1:
            pixels = np.asarray(draw(scene, Random(number))).astype(int)
            covered[scene[0].size].append((np.ptp(pixels, axis=-1) > 60).sum())
    assert min(covered["large"]) > 1.3 * max(covered["small"])


def test_pictures_are_small_on_disk(tmp_path):
    for number, scene in enumerate(scenes(20, "hard")):
        save(draw(scene, Random(number)), tmp_path / f"{number}.jpg")
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 12_000
