"""Whether maps of what an answer depended on are right, in the miniature world, where the true cells are known.

    python benchmarks/maps.py demo [--count 40]

DEMO: the folder of a finished `vlhyper demo` at its own size. Of questions on new pictures that name one thing and were
answered right it prints how often the highest cell lies on that thing, beside chance, and how much of its probability
an answer keeps with the highest cells of the picture blanked, beside as many random ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from math import exp
from pathlib import Path
from random import Random

import numpy as np

from vlhyper.ask.asker import Asker
from vlhyper.ask.maps import Map, draw_map
from vlhyper.console import tracked
from vlhyper.files import read_json
from vlhyper.show.tables import print_table
from vlhyper.world import SIZES
from vlhyper.world.build import scenes_of
from vlhyper.world.probes import CELLS
from vlhyper.world.scene import Scene, Thing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--count", type=int, default=40)
    options = parser.parse_args()
    found = list(maps(options.demo, options.count))
    hits = [covered(thing)[one.cells.argmax()] for one, thing in found]
    kept = [(exp(-one.highest), exp(-float(np.mean(one.random)))) for one, _ in found]
    rows = [
        ("highest cell on the thing asked about, %", 100 * np.mean(hits)),
        ("the same by chance, %", 100 * np.mean([covered(thing).mean() for _, thing in found])),
        ("probability kept, highest cells blanked, median %", 100 * np.median([high for high, _ in kept])),
        ("probability kept, random cells blanked, median %", 100 * np.median([chance for _, chance in kept])),
        ("maps that their check confirms, %", 100 * np.mean([one.confirmed for one, _ in found])),
    ]
    print_table(("", f"{len(found)} answers"), [(name, float(value)) for name, value in rows])


def maps(demo: Path, count: int) -> Iterator[tuple[Map, Thing]]:
    """Maps of right answers, each with the thing that its question names."""
    asker, scenes = Asker(demo / "model"), {one.name: one.scene for one in scenes_of(0, SIZES)["test"]}
    questions = read_json(demo / "world/annotations/vqa_test_questions.json")["questions"]
    truths = read_json(demo / "world/annotations/vqa_test_annotations.json")["annotations"]
    right = {one["question_id"]: one["multiple_choice_answer"] for one in truths}
    Random(0).shuffle(questions)
    named = [(one, thing) for one in questions if (thing := thing_of(one["question"], scenes[picture(one)]))]
    for one, thing in tracked(named[:count], "maps", unit="answers"):
        image = demo / "world/images/test" / f"{picture(one)}.jpg"
        if asker.ask(image, one["question"], others=0).answer == right[one["question_id"]]:
            yield draw_map(asker, image, one["question"], right[one["question_id"]]), thing


def picture(question: dict[str, int]) -> str:
    return f"world_{question['image_id']:06d}"


def thing_of(question: str, scene: Scene) -> Thing | None:
    """The one thing of a scene that a question names by colour and shape, or by a shape that no other has."""
    found = [thing for thing in scene if thing.name in question]
    found = found or [thing for thing in scene if thing.shape in question]
    return found[0] if len(found) == 1 else None


def covered(thing: Thing) -> np.ndarray:
    """(N,) bool: the cells that a thing touches."""
    middle = (np.arange(CELLS) + 0.5) / CELLS
    reach = thing.radius + 0.5 / CELLS
    rows, columns = abs(middle - thing.y) < reach, abs(middle - thing.x) < reach
    return (rows[:, None] & columns).ravel()


if __name__ == "__main__":
    main()
