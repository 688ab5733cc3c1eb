"""VQA accuracy: the annotations of VQA v2 and OK-VQA, VL-T5's list, records of A-OKVQA, VizWiz and TextVQA, rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.metrics.normalise import normalise_answer
from vlhyper.metrics.report import Report
from vlhyper.metrics.vqa import VARIANTS, add_aokvqa, in_domain, vqa_report
from vlhyper.published import ANSWER_KEYS, PEOPLE
from vlhyper.readers.answers import people
from vlhyper.readers.fields import number_id
from vlhyper.readers.gold import Gold
from vlhyper.readers.source import Source
from vlhyper.readers.splits import part_of
from vlhyper.readers.streams import json_value
from vlhyper.readers.table import WRITTEN
from vlhyper.readers.vl_t5 import read_vl_t5_people
from vlhyper.readers.vqa import question_ids, read_vqa_gold
from vlhyper.readers.vqa_records import read_vqa_records_gold
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, Server, a_path, a_switch, one_of
from vlhyper.scoring.vqa_uploads import vqa_server
from vlhyper.wording import kind

HALVES = {"first": "first-half", "second": "second-half"}


def _report(task: str, gold: Gold, answers: Mapping[Any, str], options: Mapping[str, Any]) -> Report:
    if (vocabulary := options.get("vocabulary")) is not None:
        gold = _with_domains(gold, vocabulary)
    given, columns = [answers[id] for id in gold.ids], gold.columns
    variant = options.get("variant", "official")
    report = vqa_report(gold.ids, given, gold.right, images=gold.clusters, columns=columns, task=task, variant=variant)
    if "choice" in columns:
        hard = columns.get("difficult", [None] * len(given))
        add_aokvqa(report, given, gold.right, columns["choice"], hard)
    if few := sum(len(answers) < PEOPLE for answers in gold.right):
        report.notes.append(
            f"{few} of {len(gold.ids)} questions have fewer than {PEOPLE} answers: VQA accuracy leaves each answer out "
            "in turn, so that one answer alone always scores 0, and two equal ones 33.3"
        )
    return report


def _with_domains(gold: Gold, vocabulary: Path) -> Gold:
    frequent = {normalise_answer(answer) for answer in _vocabulary(vocabulary)}
    return replace(gold, columns={**gold.columns, "in_domain": [in_domain(people, frequent) for people in gold.right]})


def _official(source: Source) -> Gold:
    """The official files; a manifest may name a vocabulary beside them, which tells what is in the domain."""
    gold, vocabulary = read_vqa_gold(source), source.paths("vocabulary")
    return _with_domains(gold, vocabulary[0]) if vocabulary else gold


def _vocabulary(path: Path) -> list[str]:
    """The frequent answers: a list of texts, or an object whose keys they are (`trainval_ans2label.json`)."""
    content = json_value(path)
    numbers = content.values() if isinstance(content, dict) else ()
    texts = isinstance(content, list | dict) and all(isinstance(answer, str) for answer in content)
    if not texts or not content or not all(type(number) is int for number in numbers):
        raise UserError(
            f"{path}: is {kind(content)} of another form; an answer vocabulary is a list of texts or "
            '{"answer": number}, such as trainval_ans2label.json'
        )
    return list(content)


def _halved(read: Callable[[Source], Gold], source: Source) -> Gold:
    """The first or second half, by a hash of the ids, where option `half` asks for one; and what was read."""
    gold, half = read(source), source.options.get("half")
    if half is not None:
        gold = gold.at(part_of(list(map(str, gold.ids)), HALVES[half]))
    return replace(gold, settings={"answers": source.options.get("answers") or "stemmed", "half": half or "whole"})


def _people_of_row(row: Mapping[str, Any]) -> list[str]:
    # Tables keep what people answered; soft scores alone do not tell how many they were.
    return json.loads(row[WRITTEN]) if row.get(WRITTEN) else people(row["targets"], row["weights"])


READERS: dict[str, Callable[[Source], Gold]] = {
    "vqa": _official,
    "vl-t5": read_vl_t5_people,
    "vqa-records": read_vqa_records_gold,
}
VQA = Scorer(
    name="vqa",
    report=partial(_report, "vqa"),
    layouts={**READERS},
    right_of=_people_of_row,
    predictions=PredictionFile("question_id", "answer", number_id, (458752000, "skateboard")),
    files=("questions",),
    options={"variant": one_of(*VARIANTS, what="variant of VQA accuracy"), "vocabulary": a_path, "chat": a_switch},
    server=Server(question_ids, by_file=vqa_server),
)
OKVQA = replace(
    VQA,
    name="okvqa",
    report=partial(_report, "okvqa"),
    layouts={name: partial(_halved, read) for name, read in READERS.items()},
    options={
        **VQA.options,
        "answers": one_of(*ANSWER_KEYS, what="kind of OK-VQA answers"),
        "half": one_of(*HALVES, what="half"),
    },
)
