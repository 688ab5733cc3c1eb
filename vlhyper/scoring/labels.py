"""Scoring prediction files of the tasks in `labels.py`."""

from __future__ import annotations

from vlhyper.metrics.label_files import NO_MAJORITY, SNLI_SHAPE, read_label_predictions, read_labels, read_snli_ve
from vlhyper.metrics.labels import label_report
from vlhyper.metrics.reading import Source, keyed_texts, match_ids, name_of, text_id
from vlhyper.metrics.report import Report


def score_snli_ve(predictions: Source, *, annotations: str, partial: bool = False) -> Report:
    """Score SNLI-VE predictions against its jsonl file: accuracy, also by label. Pairs labelled "-" do not count."""
    labels = read_snli_ve(annotations)
    gold = {key: label for key, label in labels.items() if label != NO_MAJORITY}
    given = keyed_texts(predictions, "pairID", "prediction", text_id, SNLI_SHAPE)
    scored = match_ids(
        given, list(gold), source=predictions, against=name_of(annotations), partial=partial, known_too=labels
    )
    report = label_report("snli-ve", scored, [given[key] for key in scored], [gold[key] for key in scored])
    report.total = len(gold)
    # A pair is named after its picture: 4705552913.jpg#2r1n.
    report.clusters = [key.split("#")[0] for key in scored]
    return report


def score_labels(task: str, predictions: Source, *, annotations: str, partial: bool = False) -> Report:
    """Score predictions of a GLUE task, CB, BoolQ, IMDB or PAWS against its file of labels."""
    gold = read_labels(task, annotations)
    given = read_label_predictions(predictions, list(gold))
    scored = match_ids(given, list(gold), source=predictions, against=name_of(annotations), partial=partial)
    report = label_report(task, scored, [given[key] for key in scored], [gold[key] for key in scored])
    report.total = len(gold)
    return report
