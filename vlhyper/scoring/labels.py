"""Tasks whose answers are labels or grades: SNLI-VE, GLUE's nine, CB, BoolQ, IMDB, PAWS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from vlhyper.metrics.labels import HIGHEST, LABEL_TASKS, LOWEST, label_report
from vlhyper.metrics.report import Report
from vlhyper.published import LABELS
from vlhyper.readers.fields import FieldError, text_id
from vlhyper.readers.gold import Gold, best_target
from vlhyper.readers.snli_ve import read_snli_ve_gold
from vlhyper.readers.table import WRITTEN
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, Server, a_switch
from vlhyper.scoring.uploads import LabelUpload, Upload
from vlhyper.wording import shown

GLUE = ("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli")
OTHERS = ("cb", "boolq", "imdb", "paws")
# The files that the sites of GLUE and SuperGLUE take for each task, with the sizes of their test sets.
UPLOADS = {
    "cola": {"CoLA.tsv": Upload("glue", 1063)},
    "sst2": {"SST-2.tsv": Upload("glue", 1821)},
    "mrpc": {"MRPC.tsv": Upload("glue", 1725)},
    "qqp": {"QQP.tsv": Upload("glue", 390965)},
    "stsb": {"STS-B.tsv": Upload("glue", 1379)},
    "mnli": {
        "MNLI-m.tsv": Upload("glue", 9796),
        "MNLI-mm.tsv": Upload("glue", 9847),
        # The diagnostic set, which MNLI's labels are for too.
        "AX.tsv": Upload("glue", 1104),
    },
    "qnli": {"QNLI.tsv": Upload("glue", 5463)},
    "rte": {"RTE.tsv": Upload("glue", 3000), "RTE.jsonl": Upload("superglue", 3000)},
    "wnli": {"WNLI.tsv": Upload("glue", 146)},
    "cb": {"CB.jsonl": Upload("superglue", 250)},
    "boolq": {"BoolQ.jsonl": Upload("superglue", 3245)},
}
# Tasks whose labels GLUE's site takes as numbers.
NUMBERED = ("cola", "sst2", "mrpc", "qqp", "wnli")
# Where the published files have ids and labels, the first that is there; without an id the number of the row counts.
ID_COLUMNS = ("index", "idx", "id", "guid", None)
LABEL_COLUMNS = {"mrpc": "Quality", "qqp": "is_duplicate", "stsb": "score", "mnli": "gold_label"}
# CoLA's train and dev files have no header line.
COLUMNS_BY_NUMBER = {"cola": 1}
# Words that some files have for a label, beside its number and itself.
SPELLINGS = {"neg": "negative", "pos": "positive", "true": "True", "false": "False"}


def _report(name: str, gold: Gold, answers: Mapping[Any, str], _: Mapping[str, Any]) -> Report:
    spelt = label_names(name) if name in LABELS else {}
    # Answers are taken in every spelling that the files of the truth have: 1, true, pos.
    given = [spelt.get(answers[id].strip(), answers[id]) for id in gold.ids]
    report = label_report(name, gold.ids, given, gold.right)
    report.clusters = gold.clusters
    return report


def _right_of(name: str, row: Mapping[str, Any]) -> Any:
    """The label of a row, or its grade before the reader rounded it. Raises FieldError for one that does not count."""
    known = LABEL_TASKS[name].labels
    if not known:
        return _grade(row.get(WRITTEN) or best_target(row))
    label = best_target(row)
    if label not in known:
        raise FieldError(f"has the label {label!r}; {name} is scored on {', '.join(known)}")
    return label


def _grade(written: str) -> float:
    try:
        grade = float(written)
    except ValueError:
        grade = math.nan
    if not LOWEST <= grade <= HIGHEST:
        raise FieldError(f"has the label {shown(written)}; it must be a grade from 0 to 5")
    return grade


def label_names(name: str) -> dict[str, str]:
    """Each label's spellings in files: itself, its number, a truth value where there are two, and usual short words."""
    labels = LABELS[name]
    found = {word: label for word, label in SPELLINGS.items() if label in labels}
    found |= {str(number): label for number, label in enumerate(labels)}
    if len(labels) == 2:
        found |= {
            word: label
            for label, words in zip(labels, (("False", "false"), ("True", "true")), strict=True)
            for word in words
        }
    return found | {label: label for label in labels}


def _table(name: str) -> dict[str, Any]:
    columns = [LABEL_COLUMNS.get(name), "label", "gold_label", COLUMNS_BY_NUMBER.get(name)]
    label = list(dict.fromkeys(column for column in columns if column is not None))
    return {
        "fields": {"id": list(ID_COLUMNS), "label": label},
        "labels": label_names(name) if name in LABELS else None,
        "header": None,
        # QQP's published files have a few broken lines, which everybody passes over.
        "short_lines": "skip" if name == "qqp" else "refuse",
    }


def _server(name: str) -> Server | None:
    """The site that scores the hidden labels of a task, where there is one."""
    if name not in UPLOADS:
        return None
    spelt = {word: _label_of_site(name, label) for word, label in label_names(name).items()} if name in LABELS else {}
    form = LabelUpload(LABELS.get(name, ()), spelt, _table(name))
    return Server(form.asked, form.write, form.read, UPLOADS[name])


def _label_of_site(name: str, label: str) -> str:
    # BoolQ's true and false; the other words are in small letters anyway.
    return str(LABELS[name].index(label)) if name in NUMBERED else label.lower()


def _text_task(name: str) -> Scorer:
    return Scorer(
        name=name,
        report=partial(_report, name),
        layouts={"table": None},
        right_of=partial(_right_of, name),
        table=_table(name),
        predictions=PredictionFile(in_order=True, scalars=True),
        options={"chat": a_switch},
        server=_server(name),
    )


TEXT_SCORERS = {f"glue:{name}": _text_task(name) for name in GLUE} | {name: _text_task(name) for name in OTHERS}
SNLI_VE = Scorer(
    name="snli-ve",
    report=partial(_report, "snli-ve"),
    layouts={"snli-ve": read_snli_ve_gold},
    predictions=PredictionFile("pairID", "prediction", text_id, ("4705552913.jpg#2r1n", "neutral"), scalars=True),
    options={"chat": a_switch},
)
