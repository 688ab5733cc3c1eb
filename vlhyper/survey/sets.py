"""The data sets that annotation files make up together, each with the images that are there for it."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.errors import UserError, first_few
from vlhyper.readers.fields import number_id, value
from vlhyper.readers.image_keys import best_of, found_by
from vlhyper.readers.images import image_number, match_images
from vlhyper.readers.streams import json_items, read_rows
from vlhyper.readers.vqa import question_ids
from vlhyper.survey.kinds import Piece
from vlhyper.survey.splits import LEARNT, VALIDATED, Split, assigned, karpathy_splits, split_in, split_of

# Of two files about the same images or questions the first of these is taken.
PREFERRED = ("vqa", "karpathy", "coco-captions", "vl-t5", "vqa-records", "references")
# Of these an image may be known by its number alone. The other data sets call it as its file is called: a number that
# is found now and then is that of another data set's picture.
NUMBERED = ("vqa", "vqa-records", "karpathy", "coco-captions")
MOST_TEMPLATES = 4


class Home(NamedTuple):
    """What the files of one data set share."""

    format: str
    task: str
    folder: Path
    name: str


@dataclass(frozen=True)
class DataSet:
    """A data set with `splits` by what a run does with them; `templates` lead to the images that are there."""

    home: Home
    splits: dict[str, Split]
    templates: list[str] = field(default_factory=list)
    found: dict[str, str] = field(default_factory=dict)
    images: int = 0

    @property
    def size(self) -> int:
        return sum(split.size for split in self.splits.values())

    @property
    def paths(self) -> list[Path]:
        """All files, each once."""
        every = (path for split in self.splits.values() for paths in split.files.values() for path in paths)
        return list(dict.fromkeys(every))


LeftOut = dict[Path, str]


def data_sets(pieces: Sequence[Piece], known: Collection[str]) -> tuple[list[DataSet], LeftOut]:
    """The data sets that can be learnt from, no two of the same questions or images, and why the others are left out.

    known: the ids of features, or the names of pictures; empty where there are none, and nothing is looked up.
    """
    left_out: LeftOut = {}
    found: list[DataSet] = []
    for home, splits in _grouped(pieces, left_out):
        one = _matched(home, splits, known)
        if one.splits:
            found.append(one)
        else:
            left_out.update(dict.fromkeys(_paths(splits), _why_nothing(splits, known)))
    return _distinct(sorted(found, key=_rank), left_out), left_out


def _rank(one: DataSet) -> tuple[Any, ...]:
    """Karpathy's split before the others, the balanced questions of GQA before all of them, then the larger."""
    format = one.home.format
    order = PREFERRED.index(format) if format in PREFERRED else 0
    return format != "karpathy", "balanced" not in one.home.name, order, -one.size


def _paths(splits: Sequence[Split]) -> list[Path]:
    return [path for split in splits for paths in split.files.values() for path in paths]


def _why_nothing(splits: Sequence[Split], known: Collection[str]) -> str:
    if not any(split.size for split in splits):
        return "has questions without answers alone"
    images = list(dict.fromkeys(image for split in splits for image in split.rows.images))
    return f"none of its {len(images)} images is here ({first_few(images)})"


def _distinct(found: Sequence[DataSet], left_out: LeftOut) -> list[DataSet]:
    """Data sets without those of which an earlier one has more than half."""
    kept: list[DataSet] = []
    for one in found:
        items = _items(one)
        other = next((old for old in kept if old.home.task == one.home.task and _most(items, _items(old))), None)
        if other is None:
            kept.append(one)
        else:
            what = "images" if one.home.task == "caption" else "questions"
            used = set(other.paths)
            same = f"has the same {what} as {other.paths[0].name}"
            left_out.update({path: same for path in one.paths if path not in used})
    return kept


def _items(one: DataSet) -> set[str]:
    rows = [split.rows for split in one.splits.values()]
    if one.home.task == "caption":
        return {image_number(image) for part in rows for image in part.images}
    return {id for part in rows for id in part.ids}


def _most(items: set[str], others: set[str]) -> bool:
    return 2 * len(items & others) > len(items)


def _grouped(pieces: Sequence[Piece], left_out: LeftOut) -> Iterator[tuple[Home, list[Split]]]:
    """The files that make up one data set, read, as splits. Why a file cannot be read is put into `left_out`."""
    lists = [piece for piece in pieces if (piece.format, piece.role) == ("references", "images")]
    karpathy = [piece.path for piece in pieces if piece.format == "karpathy"]
    official = [piece for piece in pieces if piece.format == "vqa"]
    groups: dict[Home, list[tuple[str, dict[str, list[Path]]]]] = defaultdict(list)
    for piece in (piece for piece in pieces if piece not in lists and piece not in official):
        written, home = _home(piece)
        groups[home].append((written, {piece.role: [piece.path]}))
    for questions, answers in _pairs(official, left_out):
        written, home = _home(questions)
        # Questions of a test split belong to those beside them.
        task = answers.task if answers else next((key.task for key in groups if key[2:] == home[2:]), "vqa")
        files = {"questions": [questions.path], **({"annotations": [answers.path]} if answers else {})}
        groups[home._replace(task=task)].append((written, files))
    for home, parts in groups.items():
        try:
            yield home, _splits(home, parts, lists, karpathy, left_out)
        except UserError as error:
            left_out.update({path: _told(error, path) for _, files in parts for one in files.values() for path in one})


def _told(error: UserError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def _home(piece: Piece) -> tuple[str, Home]:
    written, rest = split_in(piece.path)
    folder = piece.path.parent
    if written and not split_in(Path(piece.path.name))[0]:
        folder = folder.parent
    if piece.format == "coco-captions" and written[-4:].isdigit():
        # The releases of 2014 and 2017 have the same images, cut in other places.
        rest += written[-4:]
    return written, Home(piece.format, piece.task, folder, rest)


def _splits(
    home: Home,
    parts: Sequence[tuple[str, dict[str, list[Path]]]],
    lists: Sequence[Piece],
    karpathy: Sequence[Path],
    left_out: LeftOut,
) -> list[Split]:
    if home.format == "karpathy":
        return [split for _, files in parts for path in files["annotations"] for split in karpathy_splits(path)]
    if home.format == "references" and lists:
        parts = [(split_in(one.path)[0], {**files, "images": [one.path]}) for _, files in parts for one in lists]
    if home.task == "vqa" and home.format == "vqa" and karpathy:
        parts_of = {written[:-4] or written: files for written, files in parts if "annotations" in files}
        if {LEARNT, VALIDATED} <= parts_of.keys() and (found := _in_karpathys(parts_of, karpathy[0])):
            return found + [split_of(name, "vqa", files) for name, files in parts if len(files) == 1]
    return [split for written, files in parts if (split := _readable(written, home.format, files, left_out))]


def _readable(written: str, format: str, files: dict[str, list[Path]], left_out: LeftOut) -> Split | None:
    """A split; None where one of its files cannot be read."""
    try:
        return split_of(written, format, files)
    except UserError as error:
        left_out.update({path: _told(error, path) for paths in files.values() for path in paths})
        return None


def _in_karpathys(parts: dict[str, dict[str, list[Path]]], karpathy: Path) -> list[Split]:
    """VQA v2's train and val cut by image as Karpathy's captions are; none where it is not of COCO."""
    train, val = parts[LEARNT], parts[VALIDATED]
    both = {role: train[role] + val[role] for role in train}
    found = []
    for subset, files in {"train": both, "val": val, "test": val}.items():
        try:
            found.append(split_of(subset, "vqa", {**files, "karpathy": [karpathy]}, {"subset": subset}))
        except UserError:
            return []
    return found


def _pairs(pieces: Sequence[Piece], left_out: LeftOut) -> Iterator[tuple[Piece, Piece | None]]:
    """Official questions with the annotations that answer them, by their ids; those of test splits have none."""
    waiting = [piece for piece in pieces if piece.role == "annotations"]
    answered: list[tuple[Piece, Piece | None]] = []
    for questions in (piece for piece in pieces if piece.role == "questions"):
        try:
            ids = set(question_ids(questions.path))
            alike = sorted(waiting, key=lambda piece: -_likeness(piece.path, questions.path))
            partner = next((piece for piece in alike if set(_first_ids(piece.path)) <= ids), None)
        except UserError as error:
            left_out[questions.path] = _told(error, questions.path)
            continue
        if partner is not None:
            waiting.remove(partner)
        answered.append((questions, partner))
    yield from sorted(answered, key=lambda pair: pair[1] is None)
    left_out.update({piece.path: "answers questions of which there is no file" for piece in waiting})


def _likeness(one: Path, other: Path) -> float:
    return difflib.SequenceMatcher(None, str(one), str(other)).ratio()


def _first_ids(path: Path) -> list[Any]:
    def shape(record: Any) -> list[Any]:
        return [number_id(value(record, "question_id"), "question_id")]

    return list(read_rows(path, islice(json_items(path, "annotations"), 3), shape))


def _matched(home: Home, splits: list[Split], known: Collection[str]) -> DataSet:
    """The data set with the images found that it has, and its splits given their purposes."""
    answered = [split for split in splits if split.size]
    images = len({image for split in answered for image in split.rows.images})
    if not known:
        return DataSet(home, assigned(splits), images=images)
    templates = _templates(home, answered, known)
    found: dict[str, str] = {}
    usable: list[Split] = []
    for split in splits:
        filled = [template.replace("{split}", split.in_keys) for template in templates]
        keys = match_images(split.rows.images, filled, known).keys
        usable.append(split.with_images(keys))
        found |= keys if split in answered else {}
    return DataSet(home, assigned(usable), templates, found, images)


def _templates(home: Home, splits: Sequence[Split], known: Collection[str]) -> list[str]:
    """The templates that find most, one after the other, each among the images that those before it do not find."""
    found: list[str] = []
    left = {split.in_keys: list[str]() for split in splits}
    for split in splits:
        left[split.in_keys] += dict.fromkeys(split.rows.images)
    while len(found) < MOST_TEMPLATES:
        # What no id has in it fills {split} where the file's name has no split.
        every = [found_by(some, known, written or "\0") for written, some in left.items() if some]
        counts = sum(every, Counter[str]())
        best = ["{id}"] if 0 < counts["{id}"] == max(counts.values()) else best_of(counts)
        if not best or not (_numbers_lead(home) or counts[best[0]] == sum(map(len, left.values())) or best == ["{id}"]):
            break
        found.append(best[0])
        left = {
            written: match_images(some, [best[0].replace("{split}", written)], known).missing
            for written, some in left.items()
        }
    return found or ["{id}"]


def _numbers_lead(home: Home) -> bool:
    return home.format in NUMBERED or (home.format == "vl-t5" and home.task == "vqa")
