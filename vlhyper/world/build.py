"""Write the world to a folder like a user's: images, annotation files, manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

from vlhyper.console import tracked
from vlhyper.errors import UserError, nearest
from vlhyper.files import write_json, write_text
from vlhyper.world import layouts
from vlhyper.world.draw import draw, save
from vlhyper.world.layouts import Picture
from vlhyper.world.scene import LEVELS, draw_scene

SIZES: dict[str, int] = {"train": 4500, "val": 300, "test": 500, "unseen": 500}
UNSEEN_SPLIT = "unseen"
ROLES = {"okvqa": ("questions", "annotations"), "vqa": ("questions", "annotations"), "gqa": ("questions",)}
ROLES |= {"vg_qa": ("questions",), "caption": ("annotations",), "snli_ve": ("annotations",)}
FORMATS = {"vqa": "vqa", "okvqa": "vqa", "vg_qa": "visual-genome", "gqa": "gqa", "caption": "coco-captions"}
FORMATS |= {"snli_ve": "snli-ve"}


def build(folder: str | Path, seed: int = 0, sizes: Mapping[str, int] = SIZES, level: str = "easy") -> None:
    """Draw the world into `folder`: images/SPLIT/*.jpg, annotations/*, and a manifest per task (vqa.yaml …).

    `sizes` are images per split; scenes of the split `unseen` have pairs of colour and shape that occur in no other
    split. The same arguments give the same bytes.
    Raises UserError for an unknown split or level.
    """
    for split in sizes:
        if split not in SIZES:
            raise UserError(f"the world has no split {split!r}{nearest(split, SIZES)}")
    if level not in LEVELS:
        raise UserError(f"the world has no level {level!r}{nearest(level, LEVELS)}")
    folder = Path(folder)
    counts: dict[str, dict[str, int]] = {task: {} for task in FORMATS}
    for split, pictures in scenes_of(seed, sizes, level).items():
        draw_pictures(pictures, folder / "images" / split, split, seed)
        for task, count in _annotate(pictures, folder / "annotations", split, seed, level).items():
            counts[task][split] = count
    for task, by_split in counts.items():
        write_text(folder / f"{task}.yaml", yaml.safe_dump(manifest(task, by_split), sort_keys=False))


def scenes_of(seed: int, sizes: Mapping[str, int], level: str = "easy") -> dict[str, list[Picture]]:
    """The pictures of each split; images are numbered from 1 over all splits, in the order of `sizes`."""
    splits, first = {}, 1
    for split, size in sizes.items():
        rng = Random(f"{seed} {split} scenes")
        unseen = split == UNSEEN_SPLIT
        splits[split] = [Picture(first + number, draw_scene(rng, level, unseen)) for number in range(size)]
        first += size
    return splits


def draw_pictures(pictures: Sequence[Picture], folder: Path, split: str, seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = Random(f"{seed} {split} drawing")
    for picture in tracked(pictures, f"drawing {split}", unit="images"):
        save(draw(picture.scene, rng), folder / f"{picture.name}.jpg")


def _annotate(pictures: Sequence[Picture], folder: Path, split: str, seed: int, level: str) -> dict[str, int]:
    """Write the annotation files of a split; returns the number of rows by task."""

    def rng(task: str) -> Random:
        return Random(f"{seed} {split} {task}")

    vqa, okvqa = layouts.ask_vqa(pictures, level, rng("vqa")), layouts.ask_okvqa(pictures, rng("okvqa"))
    vg_qa = layouts.visual_genome(pictures, rng("vg_qa"))
    gqa = layouts.gqa_questions(pictures, level, rng("gqa"))
    statements = list(layouts.snli_ve(pictures, rng("snli_ve")))
    files = {
        ("vqa", "questions"): layouts.vqa_questions(vqa, split),
        ("vqa", "annotations"): layouts.vqa_annotations(vqa, split, rng("vqa people")),
        ("okvqa", "questions"): layouts.vqa_questions(okvqa, split),
        ("okvqa", "annotations"): layouts.okvqa_annotations(okvqa, split, rng("okvqa people")),
        ("vg_qa", "questions"): vg_qa,
        ("gqa", "questions"): gqa,
        ("caption", "annotations"): layouts.coco_captions(pictures),
    }
    for (task, role), content in files.items():
        write_json(folder / file_name(task, role, split), content)
    lines = "".join(json.dumps(line) + "\n" for line in statements)
    write_text(folder / file_name("snli_ve", "annotations", split), lines)
    return {
        "vqa": len(vqa),
        "okvqa": len(okvqa),
        "vg_qa": sum(len(image["qas"]) for image in vg_qa),
        "gqa": len(gqa),
        "caption": len(pictures),
        "snli_ve": len(statements),
    }


def file_name(task: str, role: str, split: str) -> str:
    return f"{task}_{split}_{role}.{'jsonl' if task == 'snli_ve' else 'json'}"


def manifest(task: str, counts: Mapping[str, int]) -> dict[str, Any]:
    """The manifest of a task, for `data:` of a config; `counts` are rows by split."""

    def files(split: str) -> Iterator[tuple[str, str]]:
        for role in ROLES[task]:
            yield role, f"annotations/{file_name(task, role, split)}"

    return {
        "name": f"world_{task}",
        "about": f"{layouts.INFO['description']}, in the layout of the official files; drawn by vlhyper",
        "licence": layouts.LICENCE["name"],
        "format": FORMATS[task],
        "root": ".",
        "image_key": ["world_{id:06d}", "{id}"],
        "splits": {split: {"files": dict(files(split)), "count": count} for split, count in counts.items()},
    }
