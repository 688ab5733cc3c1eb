"""Files of the GLUE and SuperGLUE sites: one for each test set, every item once, labels as the site spells them.

GLUE takes tables with the header `index`, `prediction` (CoLA.tsv), SuperGLUE lines `{"idx": 0, "label": "true"}`
(BoolQ.jsonl). Source: the sample submissions of both sites.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.console import say
from vlhyper.errors import UserError
from vlhyper.files import write_text
from vlhyper.metrics.labels import HIGHEST, LOWEST, is_grade
from vlhyper.readers.gold import duplicates
from vlhyper.readers.source import Source
from vlhyper.readers.streams import json_lines, text_lines
from vlhyper.readers.table import read_table
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.wording import shown

HEADER = ["index", "prediction"]
# Number of the line or record, id, and label as they are in a file.
Given = tuple[int, Any, str]


class Upload(NamedTuple):
    """One file that a site takes: of which suite, and how many items its test set has; they are numbered from 0."""

    suite: str
    items: int


@dataclass(frozen=True)
class LabelUpload:
    """What a site takes for one task.

    labels: the task's labels as systems write them; none for grades.
    spelt: the site's spelling of a label by every spelling that systems use.
    table: the options with which the test file is read.
    """

    labels: Sequence[str]
    spelt: Mapping[str, str]
    table: Mapping[str, Any]

    @property
    def allowed(self) -> list[str]:
        """The labels as the site takes them."""
        return [self.spelt[label] for label in self.labels]

    def asked(self, path: Path) -> list[str]:
        """The ids of a test file. Raises UserError where it has no column of them."""
        fields = {"id": [column for column in self.table["fields"]["id"] if column is not None]}
        return [row["id"] for row in read_table(Source({"table": (path,)}, {**self.table, "fields": fields}, True))]

    def write(self, path: Path, form: PredictionFile, answers: Mapping[Any, str]) -> None:
        """Write answers in their order. Raises UserError where one is no label: the site would refuse the file."""
        found = {id: self._spelt(text.strip()) for id, text in answers.items()}
        wrong = [f"{id}: {shown(answers[id])}" for id, label in found.items() if label is None]
        if wrong:
            raise UserError(f"{path}: {_fault(wrong, len(found), self.labels)}; correct them, the site takes no others")
        if not self.spelt and (cut := sum(float(answers[id]) != float(str(label)) for id, label in found.items())):
            say(f"{path}: {cut} grades beyond 0 to 5 are cut to it, for the site takes no others")
        write_text(path, FILES[path.suffix].text({id: str(label) for id, label in found.items()}))

    def read(self, path: Path, form: PredictionFile) -> dict[str, str]:
        """Labels by id, as a site takes them. Raises UserError for other labels, duplicate ids, and broken lines."""
        given = list(FILES[path.suffix].given(path))
        strange = [f"line {number}: {shown(id)}" for number, id, _ in given if not _is_index(id)]
        if strange:
            raise UserError(f"{path}: {len(strange)} ids are no whole numbers ({strange[0]}); write 0, 1, 2, …")
        ids = [str(id) for _, id, _ in given]
        found = dict(zip(ids, (label for _, _, label in given), strict=True))
        if len(found) < len(ids):
            raise UserError(duplicates([id for id, times in Counter(ids).items() if times > 1], str(path)))
        wrong = [f"line {number}: {shown(label)}" for number, _, label in given if not self._right(label)]
        if wrong:
            raise UserError(f"{path}: {_fault(wrong, len(given), self.allowed)}; write them so")
        return found

    def _spelt(self, text: str) -> str | None:
        if self.spelt:
            return self.spelt.get(text)
        # The sites take no grade beyond the scale, which a model may write; GLUE's baseline cuts it too.
        return str(min(max(float(text), LOWEST), HIGHEST)) if is_grade(text) else None

    def _right(self, label: str) -> bool:
        return label in self.allowed if self.spelt else is_grade(label) and LOWEST <= float(label) <= HIGHEST


def _fault(wrong: Sequence[str], count: int, labels: Sequence[str]) -> str:
    known = f"are none of the labels {', '.join(labels)}" if labels else "are no grades from 0 to 5"
    return f"{len(wrong)} of {count} answers {known} ({wrong[0]})"


def _is_index(id: Any) -> bool:
    return type(id) is int or (isinstance(id, str) and id.isascii() and id.isdigit())


def _tsv_given(path: Path) -> Iterator[Given]:
    lines = text_lines(path)
    _, first = next(lines, (1, ""))
    if first.split("\t") != HEADER:
        raise UserError(f"{path}: line 1 is {shown(first)}; it must be the header 'index', a tab, 'prediction'")
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) == 2:
            yield number, cells[0], cells[1]
        elif line.strip():
            raise UserError(f"{path}: line {number} has {len(cells)} columns; it must be an index, a tab, a label")


def _tsv_text(labels: Mapping[Any, str]) -> str:
    return "".join(f"{id}\t{label}\n" for id, label in [tuple(HEADER), *labels.items()])


def _json_given(path: Path) -> Iterator[Given]:
    for number, record in enumerate(json_lines(path), start=1):
        usual = isinstance(record, dict) and record.keys() == {"idx", "label"}
        if not usual or isinstance(record["idx"], str) or not isinstance(record["label"], str):
            raise UserError(f'{path}: record {number} is {shown(record)}; write it like {{"idx": 0, "label": "true"}}')
        yield number, record["idx"], record["label"]


def _json_text(labels: Mapping[Any, str]) -> str:
    return "".join(json.dumps({"idx": int(id), "label": label}) + "\n" for id, label in labels.items())


class _File(NamedTuple):
    given: Callable[[Path], Iterator[Given]]
    text: Callable[[Mapping[Any, str]], str]


FILES = {".tsv": _File(_tsv_given, _tsv_text), ".jsonl": _File(_json_given, _json_text)}
