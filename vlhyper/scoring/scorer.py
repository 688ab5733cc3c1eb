"""What a scorer is: one row that says how the truth is read, how predictions are, and how they are compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.metrics.report import Report
from vlhyper.metrics.sentences import RULE, short_answer
from vlhyper.readers.gold import Gold, best_target
from vlhyper.readers.source import Source
from vlhyper.scoring.predictions import PredictionFile, read_upload, write_predictions
from vlhyper.scoring.uploads import Upload
from vlhyper.wording import kind

# From the value a user gave and the option's name to the value that is used; raises UserError.
Check = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Server:
    """A test server: `asked` lists the ids of its test items from their file, `write` and `read` are for its upload.

    An upload is a task's file of predictions unless these say otherwise. by_file: the server of a test file, where
    several take the task. uploads: the names that the server wants its
    files to have, where it wants any, each with the suite it belongs to and the size of its test set.
    """

    asked: Callable[[Path], Sequence[Any]]
    write: Callable[[Path, PredictionFile, Mapping[Any, str]], None] = write_predictions
    read: Callable[[Path, PredictionFile], Mapping[Any, str]] = read_upload
    uploads: Mapping[str, Upload] = field(default_factory=dict)
    by_file: Callable[[Path], Server] | None = None

    def of(self, questions: str | os.PathLike[str] | None) -> Server:
        """The server whose test file this is."""
        return self if self.by_file is None or questions is None else self.by_file(Path(questions))

    def check_name(self, path: Path) -> None:
        """Raises UserError for the name of a file that the server does not take."""
        if self.uploads and path.name not in self.uploads:
            raise UserError(f"{path}: the server takes a file named {' or '.join(self.uploads)}; name it so")


@dataclass(frozen=True)
class Extraction:
    """How the answer in a sentence is found, for the column beside the official score (option `chat`).

    rule: it in a few words. short: the answer, from the sentence, what is right for the item, and the options given.
    """

    rule: str
    short: Callable[[str, Any, Mapping[str, Any]], str]


SENTENCES = Extraction(RULE, lambda text, right, options: short_answer(text))


@dataclass(frozen=True)
class Scorer:
    """One row of SCORERS.

    name: what its reports call the task.
    report: the scores, from the gold of the items to score, the answers by id (all there are) and the options given.
    layouts: the formats (keys of FORMATS) that it takes files of, each with the function that reads them; None where
        the rows of that format tell all it needs. Of several formats the one that recognises the file is taken, the
        last that was added first; the first in the table where none does.
    right_of: what is right for one row, as `load_rows` gives it, for formats that are not among `layouts`.
    table: for layouts that are tables, the options (fields, labels, ...) with which files are read that come without a
        manifest.
    predictions: the file of answers, as systems write it and servers take it.
    truth: the option that names the files of the truth; files: other options that name files.
    options: what else may be given, each with the function that checks the value.
    server: of a test server, how its upload is made.
    extraction: how answers are found in sentences, where `chat` is among the options.
    """

    name: str
    report: Callable[[Gold, Mapping[Any, str], Mapping[str, Any]], Report]
    layouts: dict[str, Callable[[Source], Gold] | None]
    right_of: Callable[[Mapping[str, Any]], Any] = best_target
    table: Mapping[str, Any] = field(default_factory=dict)
    predictions: PredictionFile = field(default_factory=PredictionFile)
    truth: str = "annotations"
    files: tuple[str, ...] = ()
    options: Mapping[str, Check] = field(default_factory=dict)
    server: Server | None = None
    extraction: Extraction = SENTENCES

    @property
    def accepted(self) -> dict[str, Check]:
        """Every option by name, files first, with its check."""
        return dict.fromkeys((self.truth, *self.files), a_path) | dict(self.options) | {"partial": a_switch}

    @property
    def scores_part(self) -> bool:
        """Whether the items that have a prediction are scored unless all are asked for."""
        return "complete" in self.options


def a_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{name} is {kind(value)}; it must be a text")
    return value


def a_path(value: Any, name: str) -> Path:
    if not isinstance(value, str | Path):
        raise UserError(f"{name} is {kind(value)}; it must be a text, the path of a file")
    return Path(value)


def a_switch(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise UserError(f"{name} is {kind(value)}; it must be true or false")
    return value


def one_of(*valid: str, what: str) -> Check:
    """The check of an option that is one of several names."""

    def check(value: Any, name: str) -> str:
        if a_text(value, name) not in valid:
            raise UserError(f"unknown {what} {value!r}{nearest(value, valid)}")
        return str(value)

    return check
