"""The splits of a data set: which files are one set, which of them one split, and who learns from what."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.console import tracked
from vlhyper.errors import UserError
from vlhyper.readers.formats import FORMATS
from vlhyper.readers.source import Source
from vlhyper.readers.splits import KARPATHY, part_of
from vlhyper.readers.streams import no_collection

_WORD = "train|minival|nominival|restval|val|valid|validation|dev|test[-_]?dev|test[-_]?std|test"
# As a word of its own, with the year of a release, else wherever it stands.
_SPLITS = [re.compile(rf"(?<![a-z])({_WORD})(?![a-z])(20\d\d)?"), re.compile(rf"({_WORD})(20\d\d)?")]
_ROLES = re.compile(r"questions|annotations|captions|openended|mscoco|[^a-z0-9]")
LEARNT, VALIDATED, TESTED = "train", "val", "test"
_PURPOSE = {"train": LEARNT, **dict.fromkeys(("val", "valid", "validation", "dev", "minival"), VALIDATED)}
# At most so many rows are held out to validate, and of fewer than ten times as many a tenth.
HELD_OUT = 1000
# Bytes of a file that takes long enough for a progress bar.
LARGE = 20_000_000


class Rows(NamedTuple):
    """The rows of a split, side by side: id, image, whether it can be learnt from (answered, its image found)."""

    ids: list[str]
    images: list[str]
    usable: list[bool]


@dataclass(frozen=True)
class Split:
    """`written`: what file names call it (val2014); `files`: paths by role; `options`: more of the manifest."""

    written: str
    files: dict[str, list[Path]]
    rows: Rows
    options: dict[str, Any] = field(default_factory=dict)

    def with_images(self, known: Container[str]) -> Split:
        """The same split, of which only the rows can be used whose image is known."""
        usable = [ok and image in known for ok, image in zip(self.rows.usable, self.rows.images, strict=True)]
        return replace(self, rows=self.rows._replace(usable=usable))

    @property
    def purpose(self) -> str:
        """What it is for, by its name."""
        word = re.sub(r"20\d\d$", "", self.written)
        return TESTED if word.startswith("test") else _PURPOSE.get(word, "")

    @property
    def in_keys(self) -> str:
        """What may fill {split} in the key of an image; those of Karpathy's splits come from two of COCO's."""
        return "" if "karpathy" in self.files else self.written

    @property
    def size(self) -> int:
        """How many rows can be learnt from or scored."""
        return sum(self.rows.usable)


def split_in(path: Path) -> tuple[str, str]:
    """The name of the split that a file's name has, else its folder's, and what is left of the file's name."""
    for name in (path.name, path.parent.name):
        # Flickr_8k.trainImages.txt
        words = re.sub(r"(?<=[a-z])(?=Images)", "_", Path(name).stem if name == path.name else name).lower()
        for form in _SPLITS:
            if found := form.search(words):
                rest = words.replace(found[0], "") if name == path.name else path.stem.lower()
                return found[0].replace("_", "-"), _without_roles(rest)
    return "", _without_roles(path.stem.lower())


def _without_roles(name: str) -> str:
    return "_".join(filter(None, _ROLES.sub(" ", name).split()))


def split_of(written: str, format: str, files: dict[str, list[Path]], options: dict[str, Any] | None = None) -> Split:
    """A split with its rows. Raises UserError as `read` does."""
    source = Source({role: tuple(paths) for role, paths in files.items()}, options or {})
    return Split(written, files, read(format, source), options or {})


def read(format: str, source: Source) -> Rows:
    """Read all rows of a split. Raises UserError where a file cannot be read, or has no row."""
    rows = Rows([], [], [])
    name = source.all_paths[0].name
    found = FORMATS[format].read(source)
    large = sum(path.stat().st_size for path in source.all_paths if path.is_file()) > LARGE
    with no_collection():
        for row in tracked(found, f"reading {name}", unit="rows") if large else found:
            rows.ids.append(row["id"])
            rows.images.append(row["image"])
            rows.usable.append(bool(row["targets"]))
    if not rows.ids:
        raise UserError(f"{name}: has no row")
    return rows


def karpathy_splits(path: Path) -> Iterator[Split]:
    """The splits within Karpathy's file; those that it does not have are left out."""
    for subset in KARPATHY:
        try:
            yield split_of(subset, "karpathy", {"annotations": [path]}, {"subset": subset})
        except UserError as error:
            if not str(error).endswith("has no row"):
                raise


def assigned(splits: list[Split]) -> dict[str, Split]:
    """The splits by what a run does with them: `train`, `val`, `test`, and others by their own names.

    Where there is nothing to learn from, the largest of the others is, and a part of what is learnt from is held out
    where nothing else validates. Empty where nothing can be learnt from.
    """
    found: dict[str, Split] = {}
    for split in sorted(splits, key=lambda split: -split.size):
        purpose = split.purpose or LEARNT
        free = split.size > 0 and purpose not in found
        found[purpose if free else _own_name(split, found)] = split
    usable = [name for name in (LEARNT, VALIDATED, TESTED) if name in found]
    if not usable:
        return {}
    learnt = found.pop(usable[0])
    parts = {LEARNT: learnt} if VALIDATED in found else _cut(learnt)
    known = {name: found.pop(name) for name in (VALIDATED, TESTED) if name in found}
    return {**parts, **known, **found}


def _own_name(split: Split, taken: dict[str, Split]) -> str:
    name = split.written or "more"
    # `vlhyper evaluate` takes train, val and test for what the run does with them.
    name = f"{name}-more" if name in (LEARNT, VALIDATED, TESTED) else name
    return name if name not in taken else f"{name}-{len(taken)}"


def held_out_of(rows: int) -> int:
    """How many of so many rows are held out."""
    return min(HELD_OUT, max(1, rows // 10))


def _cut(split: Split) -> dict[str, Split]:
    """A split in two, so that each part has rows to learn from; whole where it is too small."""
    rows, count = len(split.rows.ids), held_out_of(len(split.rows.ids))
    while count < rows:
        parts = {LEARNT: _part(split, "all-but-held-out", count), VALIDATED: _part(split, "held-out", count)}
        if all(part.size for part in parts.values()):
            return parts
        count *= 2
    return {LEARNT: split}


def _part(split: Split, part: str, count: int) -> Split:
    ids, images, usable = split.rows
    chosen = part_of(ids, part, held_out=count)
    rows = Rows([ids[at] for at in chosen], [images[at] for at in chosen], [usable[at] for at in chosen])
    return replace(split, rows=rows, options={**split.options, "part": part, "held_out": count})
