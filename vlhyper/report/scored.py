"""The page of `vlhyper score --report`: anybody's predictions, without a run and without torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlhyper.metrics.report import Report
from vlhyper.report.asked import asked, texts_of
from vlhyper.report.page import Detail, Page, write_page
from vlhyper.report.pictures import Pictures
from vlhyper.report.section import make_section
from vlhyper.scoring.scores import option


def write_report(
    path: str | Path,
    task: str,
    report: Report,
    predictions: str,
    options: Mapping[str, Any],
    images: Sequence[str | Path] = (),
) -> None:
    """Write the page of a report that `vlhyper.scoring.score` gave.

    Args:
        predictions: the file that was scored.
        options: those it was scored with, the files of the truth among them.
        images: folders with the pictures.
    """
    pictures = Pictures(images)
    names = _short_names([predictions, *report.others])
    reports = dict(zip(names, [report, *report.others.values()], strict=True))
    texts, image_of, why = _asked(task, report, options)
    section = make_section(task, reports, texts, image_of)
    given = {"predictions": predictions, **options, "against": list(report.others)}
    given |= {"report": path, "images": list(images)}
    shown = list(dict.fromkeys(image_of))
    found = pictures.find(shown)
    page = Page(
        title=f"{task}: {' and '.join(names)}",
        sections=[section],
        files=[found],
        commands=[shlex.join(["vlhyper", "score", task, *_words(given)])],
        notes=[*([why] if why else []), *pictures.missed(shown, found)],
        details=[
            Detail("Files and options", [(option(key), _written(value)) for key, value in given.items() if value])
        ],
    )
    write_page(path, page)


def _words(options: Mapping[str, Any]) -> list[str]:
    """The options as they are typed."""
    words: list[str] = []
    for key, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if one not in (None, False) and key != "progress":
                words += [option(key)] if one is True else [option(key), str(one)]
    return words


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short_names(paths: Sequence[str]) -> list[str]:
    """File names without folder and ending where these tell the systems apart, else the paths."""
    short = [Path(path).name.split(".")[0] or path for path in paths]
    return short if len(set(short)) == len(short) else list(paths)


def _asked(task: str, report: Report, options: Mapping[str, Any]) -> tuple[dict[str, list[str]], list[str], str]:
    """What was asked about each item, by name; its image, as far as the files tell it; and what they do not tell."""
    rows, why = asked(task, options)
    found = [rows.get(id, {}) for id in report.ids]
    names = dict.fromkeys(name for row in found for name in texts_of(row))
    clusters = [""] * report.n if report.clusters is None else map(str, report.clusters)
    images = [row.get("image") or image for row, image in zip(found, clusters, strict=True)]
    return {name: [str(row.get(name, "")) for row in found] for name in names}, images, why
