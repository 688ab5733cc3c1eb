"""Files for test servers: every item once, in the server's format, checked before a try of the day is spent.

VQA's test server (EvalAI) takes [{"question_id": 458752000, "answer": "skateboard"}], one record for every question of
the test file; GQA's [{"questionId": "201307251", "prediction": "no"}]; COCO's [{"image_id": 391895, "caption": ""}].
VizWiz's and A-OKVQA's are in vqa_uploads.py.
The sites of GLUE and SuperGLUE take a zip of one file for each task.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.files import writing
from vlhyper.metrics.report import Report
from vlhyper.scoring.predictions import Predictions, match, name_of, read_predictions
from vlhyper.scoring.scorer import Scorer, Server
from vlhyper.scoring.scorers import SCORERS, find_scorer
from vlhyper.scoring.suites import SUITES, check_names, files_of, members_of, pack

Place = str | os.PathLike[str]


def submit(
    task: str,
    *,
    questions: Place | None = None,
    submission: Place,
    predictions: Predictions | None = None,
    partial: bool = False,
) -> Report:
    """Check predictions against the test items and write them to `submission` as the server wants them.

    Args:
        task: of a whole suite (`glue`, `superglue`) a folder or zip of its files is checked, and packed into a zip.
        questions: the test file; where the server's own sets are numbered from 0, their published sizes do.
        predictions: None checks `submission` itself and writes nothing.
        partial: files of a suite may be missing.

    Raises UserError that names missing, unknown and duplicate ids, answers that the server does not take, and for a
    task without a server.
    """
    if task in SUITES:
        return _submit_suite(task, Path(submission), predictions, partial)
    scorer = find_scorer(task)
    server, path = server_of(scorer).of(questions), Path(submission)
    asked, against = _asked(server, path, questions)
    if predictions is None:
        _complete(server.read(path, scorer.predictions), asked, path, against)
    else:
        given = read_predictions(predictions, scorer.predictions, asked)
        write_submission(scorer, path, given, asked, predictions, against, questions)
    return _report(scorer.name, asked, path, predictions is not None)


def server_of(scorer: Scorer) -> Server:
    """The test server of a scorer. Raises UserError where it has none."""
    if scorer.server is None:
        having = [name for name, row in SCORERS.items() if row.server is not None]
        raise UserError(f"there is no test server for {scorer.name!r}{nearest(scorer.name, [*having, *SUITES])}")
    return scorer.server


def write_submission(
    scorer: Scorer,
    path: Path,
    given: Mapping[Any, str],
    asked: Sequence[Any],
    source: Predictions,
    against: str,
    questions: Place | None = None,
) -> None:
    """Write answers by id for a test server, in the order of the ids `asked`. Raises UserError unless they match.

    questions: the test file, where the server depends on it.
    """
    server = server_of(scorer).of(questions)
    _complete(given, asked, source, against)
    with writing(path):
        server.write(path, scorer.predictions, {id: given[id] for id in asked})


def _complete(given: Mapping[Any, str], asked: Sequence[Any], source: Predictions, against: str) -> None:
    match(given, asked, source=source, against=against, partial=False, instead="")


def _asked(server: Server, path: Path, questions: Place | None) -> tuple[Sequence[Any], str]:
    """The ids of the test items, and where they are from."""
    server.check_name(path)
    if questions is not None:
        return server.asked(Path(questions)), name_of(questions)
    if not server.uploads:
        raise UserError("a submission needs --questions, the test questions that every record answers")
    count = server.uploads[path.name].items
    return list(map(str, range(count))), f"the published test set of {count:,}"


def _submit_suite(suite: str, submission: Path, predictions: Predictions | None, partial: bool) -> Report:
    if predictions is not None and not isinstance(predictions, str | os.PathLike):
        raise UserError(f"predictions of {suite} are a folder or a zip with a file for each task")
    if predictions is not None and submission.suffix != ".zip":
        raise UserError(f"{submission}: the site takes a zip; name the submission so")
    source, members = Path(predictions or submission), members_of(suite)
    with files_of(source) as files:
        check_names(suite, files, source, partial or files.get(source.name) == source)
        ids = [(name, id) for name in files if name in members for id in _checked(members[name], files[name])]
        if predictions is not None:
            pack(files, submission)
    report = _report(suite, ids, submission, predictions is not None)
    if unchecked := [name for name in files if name not in members]:
        report.notes.append(f"{', '.join(unchecked)} were not checked: there is no scorer for them")
    return report


def _checked(scorer: Scorer, path: Path) -> Sequence[Any]:
    """The ids of a file that was found complete."""
    server = server_of(scorer)
    asked, against = _asked(server, path, None)
    _complete(server.read(path, scorer.predictions), asked, path, against)
    return asked


def _report(task: str, ids: Sequence[Any], path: Path, written: bool) -> Report:
    why = "the test answers are not public; the server scores the file"
    settings = {"submission": str(path), "written": written}
    return Report(task=task, n=len(ids), metrics={}, skipped={"scores": why}, settings=settings, ids=ids)
