"""Files for test servers: every question once, in the server's format, checked before a try of the day is spent.

VQA's test server (EvalAI) takes [{"question_id": 458752000, "answer": "skateboard"}], one record for every question of
the test file; GQA's [{"questionId": "201307251", "prediction": "no"}]; COCO's [{"image_id": 391895, "caption": ""}].
"""

from __future__ import annotations

import os
from pathlib import Path

from vlhyper.errors import UserError, nearest
from vlhyper.files import writing
from vlhyper.metrics.report import Report
from vlhyper.scoring.predictions import Predictions, match, name_of, read_predictions
from vlhyper.scoring.scorers import SCORERS, find_scorer


def submit(
    task: str, *, questions: str | os.PathLike[str], submission: str, predictions: Predictions | None = None
) -> Report:
    """Check predictions against the test questions and write them to `submission` as the server wants them.

    predictions: None checks the file `submission` itself and writes nothing. Raises UserError that names missing,
    unknown and duplicate ids, and for a task without a server.
    """
    scorer = find_scorer(task)
    server, form = scorer.server, scorer.predictions
    if server is None:
        having = [name for name, row in SCORERS.items() if row.server is not None]
        raise UserError(f"there is no test server for {task!r}{nearest(task, having)}")
    source = submission if predictions is None else predictions
    given = server.read(Path(submission), form) if predictions is None else read_predictions(predictions, form)
    asked = server.asked(Path(questions))
    match(given, asked, source=source, against=name_of(questions), partial=False, instead="")
    if predictions is not None:
        with writing(submission):
            server.write(Path(submission), form, {id: given[id] for id in asked})
    why = "the test answers are not public; the server scores the file"
    settings = {"submission": submission, "written": predictions is not None}
    return Report(task=scorer.name, n=len(asked), metrics={}, skipped={"scores": why}, settings=settings, ids=asked)
