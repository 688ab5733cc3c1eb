"""The command `vlhyper score`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

File = Annotated[str | None, typer.Option(metavar="FILE")]


def command(
    task: Annotated[
        str, typer.Argument(help="vqa, okvqa, gqa, caption, snli-ve, glue:cola … glue:rte, cb, boolq, imdb, paws.")
    ],
    predictions: Annotated[str, typer.Option(metavar="FILE", help="Predictions in the task's official format.")],
    annotations: Annotated[str | None, typer.Option(metavar="FILE", help="What people answered.")] = None,
    questions: Annotated[
        str | None, typer.Option(metavar="FILE", help="Official questions (for GQA also a folder).")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of dataset_coco.json; test unless given.")] = None,
    variant: Annotated[str | None, typer.Option(help="VQA accuracy: official, vl-t5 or lmms-eval.")] = None,
    answers: Annotated[str | None, typer.Option(help="OK-VQA answers: stemmed or raw.")] = None,
    half: Annotated[
        str | None, typer.Option(help="OK-VQA: score the first or the second half of the questions.")
    ] = None,
    vocabulary: Annotated[
        str | None, typer.Option(metavar="FILE", help="Frequent answers, for in_domain and out_domain.")
    ] = None,
    choices: Annotated[
        str | None, typer.Option(metavar="FILE", help="GQA choices, for validity and plausibility.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Captions: some of bleu,meteor,rouge,cider,spice.")] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Captions: an image without a caption is an error.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Score what is there; missing predictions are no error.")
    ] = False,
    items: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the score of every item, one JSON object a line.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, unrounded, instead of a table.")] = False,
) -> None:
    """Score any system's predictions; needs no model and no torch.

    Example: vlhyper score vqa --annotations v2_mscoco_val2014_annotations.json --predictions results.json
    """
    from vlhyper.metrics import score

    report = score(
        task,
        predictions=predictions,
        annotations=annotations,
        questions=questions,
        split=split,
        variant=variant,
        answers=answers,
        half=half,
        vocabulary=vocabulary,
        choices=choices,
        metrics=metrics,
        complete=complete or None,
        partial=partial or None,
        progress=True if task == "caption" else None,
    )
    if items is not None:
        report.write_items(items)
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        show(report)


def show(report: Any) -> None:
    """The report as a table for a person."""
    from vlhyper.console import print_table, say

    variant = f" ({report.variant})" if report.variant else ""
    rows = [(" / ".join(place), value) for place, value in report.flat()]
    print_table(("figure", "score"), rows, f"{report.task}{variant}: {report.n} of {report.to_json()['total']} scored")
    for name, why in report.skipped.items():
        say(f"{name} skipped: {why}")
