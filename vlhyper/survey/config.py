"""The config that a plan becomes, as text with comments, and the commands that come next."""

from __future__ import annotations

import os
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlhyper.settings import yaml_text
from vlhyper.survey.kinds import UNKNOWN
from vlhyper.survey.plan import Plan
from vlhyper.survey.sets import DataSet
from vlhyper.survey.splits import LEARNT, TESTED, VALIDATED, Split
from vlhyper.survey.texts import TextSet

BATCH, PASSES, MOST_STEPS = 32, 10, 262_144
FEATURES = "features.h5"
WIDTH = 118
USES = {LEARNT: "learn from", VALIDATED: "validate on", TESTED: "test on"}


def commands(plan: Plan, config: Path) -> list[str]:
    """What to type next, in order."""
    run = f"runs/{config.stem}"
    return [
        *_extraction(plan, config.with_name(FEATURES)),
        f"vlhyper check {_word(config)}",
        f"vlhyper train {_word(config)} --out {_word(run)}",
        f"vlhyper evaluate {_word(run)}",
    ]


def _extraction(plan: Plan, features: Path) -> Iterator[str]:
    if plan.grid is not None or not plan.sets:
        return
    pictures = plan.contents.pictures.items()
    names = [
        stem for folder in plan.folders for below, stems in pictures if below.is_relative_to(folder) for stem in stems
    ]
    apart = len(names) > len(set(names))
    # Two pictures of one name are refused in one call; a later call keeps the first.
    for folders in [[folder] for folder in plan.folders] if apart else [plan.folders]:
        words = " ".join(map(_word, folders)) or "FOLDER_OF_IMAGES"
        yield f"vlhyper extract {words} --weights openai --out {_word(features)}"


def _word(path: Path | str) -> str:
    """A path as one word of a shell."""
    return shlex.quote(str(path))


def text_of(plan: Plan, config: Path) -> str:
    """The config to be written to `config`; its paths are relative to it where they lie below its folder."""
    base = config.absolute().parent
    lines = [
        f"# A run on what `vlhyper init` found in {plan.contents.root}. Paths are relative to this file.",
        "#",
        *(f"#   {line}" for line in commands(plan, config)),
        *_left_out(plan),
        "model:",
        f"  method: {'vl_hyperpelt' if plan.sets else 'hyperpelt'} # `vlhyper params --all` shows the others",
        "  backbone: google-t5/t5-base # an id of the hub, or a folder",
        *_features(plan, base),
        "tasks:",
    ]
    for key, one in keyed(plan):
        lines += _text_task(key, one, base) if isinstance(one, TextSet) else _task(key, one, plan.contents.root, base)
    return "\n".join([*lines, *_training(plan)]) + "\n"


def _left_out(plan: Plan) -> Iterator[str]:
    told = [f"{plan.contents.short(path)}: {why}" for path, why in plan.left_out.items() if why != UNKNOWN]
    if told:
        yield "#"
        yield from _comment(["Left out:", *told])


def _comment(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from textwrap.wrap(line, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False)


def keyed(plan: Plan) -> Iterator[tuple[str, DataSet | TextSet]]:
    """The entries of `tasks` by their keys: the name of the task, of a second data set its own."""
    taken = {one.task for one in plan.texts}
    for one in plan.sets:
        key = one.home.task if one.home.task not in taken else _own_key(one, taken)
        taken.add(key)
        yield key, one
    yield from ((text.task, text) for text in plan.texts)


def _own_key(one: DataSet, taken: set[str]) -> str:
    name = re.sub(r"\W+", "_", one.home.name or one.home.folder.name).strip("_") or one.home.task
    return next(key for key in (name, *(f"{name}_{number}" for number in range(2, 99))) if key not in taken)


def about(one: DataSet | TextSet) -> str:
    """How many rows and images there are."""
    if isinstance(one, TextSet):
        sizes = {VALIDATED if name == one.validation else name: count for name, count in one.rows.items()}
        held_out, images = False, ""
    else:
        sizes = {name: split.size for name, split in one.splits.items()}
        held_out = VALIDATED in one.splits and "part" in one.splits[VALIDATED].options
        images = f"; {len(one.found):,} of {one.images:,} images are there" if one.found else f"; {one.images:,} images"
    rows = [f"{sizes[name]:,} to {use}" for name, use in USES.items() if name in sizes]
    rows += [f"{count:,} in {name}" for name, count in sizes.items() if name not in USES and count]
    return f"rows: {', '.join(rows)}{' (held out)' if held_out else ''}{images}"


def _features(plan: Plan, base: Path) -> Iterator[str]:
    if not plan.sets:
        return
    files = [FEATURES] if plan.grid is None else [_relative(path, base) for path in plan.grid.paths]
    yield from ("features:", f"  files: {_flow(files)}")
    yield f"  encoder: {_flow('RN101' if plan.grid is None else plan.grid.encoder)}"
    if any(one.found and len(one.found) < one.images for one in plan.sets):
        yield from ("  # Rows whose image is not there are left out; `refuse` makes them an error.", "  missing: drop")


def _task(key: str, one: DataSet, root: Path, base: Path) -> Iterator[str]:
    name = re.sub(r"[^\w.-]+", "_", f"{root.resolve().name}_{key}").strip("_")
    manifest: dict[str, Any] = {"name": name, "format": one.home.format, "root": _relative(root, base)}
    if one.templates:
        manifest["image_key"] = one.templates if len(one.templates) > 1 else one.templates[0]
    manifest["splits"] = {name: _split(split, one, root) for name, split in one.splits.items()}
    task = {"task": one.home.task} if key != one.home.task else {}
    validation = {} if VALIDATED in one.splits else {"validation": None}
    test = {"test": VALIDATED} if VALIDATED in one.splits and TESTED not in one.splits else {}
    return _entry(key, one, {**task, "data": manifest, **validation, **test})


def _split(split: Split, one: DataSet, root: Path) -> dict[str, Any]:
    files = {role: [_relative(path, root) for path in paths] for role, paths in split.files.items()}
    told: dict[str, Any] = {"files": {role: paths if len(paths) > 1 else paths[0] for role, paths in files.items()}}
    if any("{split}" in template for template in one.templates):
        told["image_split"] = split.written
    return told | split.options


def _text_task(key: str, one: TextSet, base: Path) -> Iterator[str]:
    root = {"root": _relative(one.root, base)}
    data = {"data": one.manifest.name, **root} if one.content is None else {"data": {**one.content, **root}}
    test = {"test": one.validation} if one.validation and TESTED not in one.rows else {}
    return _entry(key, one, {**data, "validation": one.validation, **test})


def _entry(key: str, one: DataSet | TextSet, entry: Mapping[str, Any]) -> Iterator[str]:
    """The lines of one task, behind a comment that says what it has."""
    text = yaml_text({key: entry}, WIDTH)
    yield from (f"  {line}" for line in [*_comment([about(one)]), *text.split("\n")])


def _training(plan: Plan) -> list[str]:
    rows = sum(one.splits[LEARNT].size for one in plan.sets) + sum(one.rows[LEARNT] for one in plan.texts)
    steps = min(MOST_STEPS, max(100, -(-PASSES * rows // BATCH)))
    every = max(10, min(1000, steps // 10))
    return [
        "training:",
        f"  steps: {steps} # of {BATCH} examples: {rows:,} rows about {max(1, round(steps * BATCH / rows))} times",
        f"  batch: {BATCH}",
        "  precision: fp32 # bf16 is faster on most GPUs",
        f"  checkpoint_every: {every}",
        "validation:",
        f"  every: {every} # steps",
        "  sample: 500 # rows of each task",
    ]


def _flow(value: Any) -> str:
    return yaml_text(value, 10_000, flow=True)


def _relative(path: Path, base: Path) -> str:
    """A path below a folder from there on; any other as a whole."""
    whole, folder = (Path(os.path.normpath(one.absolute())) for one in (path, base))
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else str(whole)
