"""The page: a template, a style, a script and the data, in one file that loads nothing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata, resources
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import vlhyper
from vlhyper.console import say
from vlhyper.files import write_text, writing
from vlhyper.report.parts import Section, outcome_column
from vlhyper.report.pictures import joined, spread, thumbnails

# The largest file: mail and trackers take it, and a browser opens it at once.
MOST_BYTES = 30_000_000
# Kept free beside the data as it is measured: numbers of pictures, and where each of them ends.
SPARE, SPARE_OF_SAMPLE = 200_000, 4
# Levels of gzip. What is packed fast is larger, so that the room it leaves is there for certain.
FAST, THOROUGH = 1, 6
LIBRARIES = ("torch", "transformers", "numpy", "scikit-learn", "scipy", "pycocoevalcap")


@dataclass(frozen=True)
class Plot:
    """A drawing, and its numbers as a table for those who cannot see it."""

    title: str
    svg: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Detail:
    """Something to unfold: a table of two columns, or a text as it is."""

    title: str
    rows: Sequence[tuple[str, str]] = ()
    text: str = ""


@dataclass(frozen=True)
class Page:
    """files: for each section, the file of each image that has one."""

    title: str
    sections: Sequence[Section]
    files: Sequence[Mapping[str, Path]]
    commands: Sequence[str]
    curves: Mapping[str, Sequence[Plot]] = field(default_factory=dict)
    costs: Mapping[str, Sequence[Plot]] = field(default_factory=dict)
    runs: Sequence[tuple[str, Mapping[str, str]]] = ()
    details: Sequence[Detail] = ()
    notes: Sequence[str] = ()

    @property
    def facts(self) -> list[str]:
        """What is told of the runs, each once."""
        return list(dict.fromkeys(name for _, facts in self.runs for name in facts))

    @property
    def systems(self) -> list[str]:
        """The systems of all sections, each once."""
        return list(dict.fromkeys(system for section in self.sections for system in section.systems))


def write_page(path: str | Path, page: Page, most: int = MOST_BYTES) -> None:
    """Write the page with as many pictures as `most` bytes leave room for, and say what it holds."""
    data: dict[str, Any] = {"sections": [_data(section) for section in page.sections], "ends": []}
    samples = sum(len(section.samples.ids) for section in page.sections if section.samples)
    wanted = _wanted(page)
    room = most - len(_render(page, _packed(data, FAST), "", "").encode()) - SPARE - SPARE_OF_SAMPLE * samples
    made, broken = thumbnails(wanted, room)
    text, data["ends"], number_of = joined(made)
    for section, one, files in zip(page.sections, data["sections"], page.files, strict=True):
        shown = {image: number_of[file] for image, file in files.items() if file in number_of}
        images = section.samples.images if section.samples else ()
        one["pictures"] = [shown.get(image, -1) for image in images] if shown else None
    told = _told(len(made), len(wanted), broken)
    content = _render(page, _packed(data), text, told)
    with writing(path):
        write_text(path, content)
    size = len(content.encode()) / 1e6
    say(f"{path}: {samples:,} samples, {len(made):,} pictures, {size:.1f} MB; open it in a browser")
    if told:
        say(f"{path}: {told}")


def _told(made: int, wanted: int, broken: Sequence[Path]) -> str:
    parts = []
    if made < wanted - len(broken):
        parts.append(f"{made:,} of {wanted:,} pictures fit into this file; those of all groups were taken in turn")
    if broken:
        parts.append(f"{len(broken):,} pictures cannot be read, such as {broken[0]}")
    return "; ".join(parts)


def _wanted(page: Page) -> list[Path]:
    """The pictures in the order in which they are taken: every outcome and type of every task in turn."""
    queues = [_order(section, files) for section, files in zip(page.sections, page.files, strict=True)]
    longest = max(map(len, queues), default=0)
    turns = chain.from_iterable((queue[turn] for queue in queues if turn < len(queue)) for turn in range(longest))
    return list(dict.fromkeys(turns))


def _order(section: Section, files: Mapping[str, Path]) -> list[Path]:
    samples = section.samples
    if samples is None:
        return []
    shown = [index for index, image in enumerate(samples.images) if image in files]
    names = [outcome_column(section.systems[0], section.systems), *section.groups]
    columns = [samples.columns[name].of for name in dict.fromkeys(names) if name in samples.columns][:2]
    cells = [tuple(column[index] for column in columns) for index in shown]
    found = (files[samples.images[shown[place]]] for place in spread(cells))
    return list(dict.fromkeys(found))


def _data(section: Section) -> dict[str, Any]:
    samples = {} if section.samples is None else section.samples.to_json()
    about = {"title": section.title, "metric": section.metric}
    return about | {"low": section.lower_is_better, "prose": section.prose} | samples


def _packed(value: Any, level: int = THOROUGH) -> str:
    return base64.b64encode(gzip.compress(msgspec.json.encode(value), level, mtime=0)).decode()


def _render(page: Page, data: str, pictures: str, told: str) -> str:
    environment = Environment(
        loader=PackageLoader("vlhyper.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "readable": _readable}
    folder = resources.files("vlhyper.report")
    script = (folder / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        page=page,
        # The policy lets the browser run this script and no other, and load nothing.
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        style=Markup((folder / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        data=Markup(data),
        pictures=Markup(pictures),
        told=told,
        made=time.strftime("%Y-%m-%d %H:%M"),
        versions=_versions(),
    )


def _versions() -> list[tuple[str, str]]:
    found = [("vlhyper", vlhyper.__version__), ("Python", platform.python_version()), ("system", platform.platform())]
    for name in LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def _readable(name: str) -> str:
    return name.replace("_", " ")
