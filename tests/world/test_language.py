"""Captions of a scene: what they name, and which of them are right."""

from random import Random

import pytest

from vlhyper.world.language import caption_is_right, captions, things_named
from vlhyper.world.scene import draw_scene

REFERENCES = [
    "A red circle and a blue star.",
    "A small red circle at the top left and a large blue star at the middle center.",
    "Two objects, a red circle and a blue star.",
]


@pytest.mark.parametrize(
    ("caption", "right"),
    [
        ("A red circle and a blue star.", True),
        ("a blue star , a red circle .", True),
        ("two objects, a red circle and a blue star.", True),
        ("a picture of a small red circle and a large blue star.", True),
        ("a red circle at the top left and a blue star at the middle center", True),
        ("a red circle and a large blue star at the middle center.", True),
        ("a red circle.", False),
        ("a red circle and a red circle.", False),
        ("a red circle, a blue star and a green star.", False),
        ("a red star and a blue circle.", False),
        ("a large red circle and a blue star.", False),
        ("a red circle at the top right and a blue star.", False),
        ("three objects, a red circle and a blue star.", False),
        ("one object, a red circle and a blue star.", False),
        ("a red circle and a blue", False),
        ("", False),
    ],
)
def test_a_caption_is_right_when_it_names_all_and_nothing_false(caption, right):
    assert caption_is_right(caption, REFERENCES) == right


@pytest.mark.parametrize("level", ["easy", "hard"])
def test_every_caption_of_a_scene_is_right_of_it_and_of_no_other(level):
    rng = Random(0)
    scenes = [draw_scene(rng, level, unseen=number % 2 == 0) for number in range(60)]
    for scene in scenes:
        names = sorted(thing.pair for thing in scene)
        assert all(caption_is_right(caption, captions(scene)) for caption in captions(scene))
        for other in scenes:
            if sorted(thing.pair for thing in other) != names:
                assert not any(caption_is_right(caption, captions(scene)) for caption in captions(other))


def test_what_a_caption_states_is_read_off():
    assert things_named(REFERENCES[1]) == [
        {"size": "small", "color": "red", "shape": "circle", "place": "top left"},
        {"size": "large", "color": "blue", "shape": "star", "place": "middle center"},
    ]
    assert things_named("what is this") is None
