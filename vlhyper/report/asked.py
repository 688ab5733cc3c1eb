"""What was asked: the texts of the items, read from the files that a score was computed with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.readers.formats import FORMATS
from vlhyper.readers.source import Source
from vlhyper.scoring.scorer import Scorer
from vlhyper.scoring.scorers import find_scorer
from vlhyper.scoring.truth import layout_of
from vlhyper.tasks import TASKS

# Other names that published tables have for the texts of a prompt; the numbers are columns of tables without a header.
COLUMNS: dict[str, list[str | int]] = {
    "sentence": ["text", 3],
    "sentence1": ["#1 String"],
    "sentence2": ["#2 String"],
    "premise": ["sentence1"],
    "hypothesis": ["sentence2"],
    "context": ["passage"],
}
PAIR = ("sentence1", "sentence2")
NOT_TEXTS = ("id", "image", "targets", "weights", "written")


def asked(task: str, options: Mapping[str, Any]) -> tuple[dict[Any, dict[str, str]], str]:
    """By id the image (`image`) and the texts of each item, as far as the files tell, and what keeps them from it."""
    scorer = find_scorer(task)
    path = Path(options[scorer.truth])
    layout = layout_of(scorer, path)
    form = FORMATS[layout]
    files = {name: (Path(options[name]),) for name in scorer.files if options.get(name) and name in form.roles}
    # Where what was asked is in files of its own, the others need not be read again.
    if not form.roles or form.truth_role in form.roles:
        files[form.truth_role] = (path,)
    if lacking := [role for role in form.roles if role not in files]:
        return {}, f"the texts of the items are in another file: give --{lacking[0]} too"
    settings = {**_table(scorer), "subset": options.get("split") or "test"}
    try:
        rows = list(form.read(Source(files, settings)))
        return {scorer.predictions.as_id(row["id"], "id"): row for row in rows}, ""
    except UserError as error:
        return {}, f"the texts of the items are not shown: {error}"


def texts_of(row: Mapping[str, Any]) -> dict[str, str]:
    """The texts among the columns of a row."""
    return {name: value for name, value in row.items() if name not in NOT_TEXTS}


def _table(scorer: Scorer) -> dict[str, Any]:
    """For a table the options with which the texts are read as well."""
    if not scorer.table:
        return {}
    task = TASKS.get(scorer.name)
    names = task.columns if task else PAIR
    fields = {name: [name, *COLUMNS.get(name, ())] for name in names}
    return {**scorer.table, "fields": {**scorer.table["fields"], **fields}}
