"""The command `vlhyper score`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlhyper.commands._options import complete_scorer

if TYPE_CHECKING:
    from vlhyper.metrics import Report


def file_option(text: str) -> Any:
    return typer.Option(metavar="FILE", help=text)


def command(
    task: Annotated[
        str,
        typer.Argument(
            help="vqa, okvqa, gqa, caption, snli-ve, glue:cola … glue:rte, cb, boolq, imdb, paws.",
            autocompletion=complete_scorer,
        ),
    ],
    expanded: Annotated[
        list[str] | None, typer.Argument(hidden=True, help="What a shell made of a pattern that is not in quotes.")
    ] = None,
    predictions: Annotated[
        str | None, file_option("Predictions; several files as a pattern in quotes, - for standard input.")
    ] = None,
    annotations: Annotated[str | None, file_option("What people answered or wrote.")] = None,
    questions: Annotated[str | None, file_option("Official questions (for GQA also a folder of chunks).")] = None,
    split: Annotated[str | None, typer.Option(help="Split of dataset_coco.json; test unless given.")] = None,
    variant: Annotated[str | None, typer.Option(help="VQA accuracy: official, vl-t5, lmms-eval or textvqa.")] = None,
    answers: Annotated[str | None, typer.Option(help="OK-VQA answers: stemmed or raw.")] = None,
    half: Annotated[str | None, typer.Option(help="OK-VQA: one half, first or second, by a hash of the ids.")] = None,
    vocabulary: Annotated[str | None, file_option("VQA: frequent answers, for in_domain and out_domain.")] = None,
    choices: Annotated[str | None, file_option("GQA: choices, for validity and plausibility.")] = None,
    metrics: Annotated[str | None, typer.Option(help="Captions: some of bleu,meteor,rouge,cider,spice.")] = None,
    complete: Annotated[bool, typer.Option("--complete", help="Captions: an image without one is an error.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Score what is there; missing ones are not an error.")
    ] = False,
    chat: Annotated[
        bool, typer.Option("--chat", help="Beside the official scores, those of the short answers in sentences.")
    ] = False,
    confidence: Annotated[bool, typer.Option("--confidence", help="Add 95 % bootstrap intervals.")] = False,
    against: Annotated[str | None, file_option("A second system's predictions, to compare with.")] = None,
    items: Annotated[str | None, file_option("Write the score of every item, one JSON object a line.")] = None,
    page: Annotated[
        str | None, typer.Option("--report", metavar="FILE.html", help="Write a page of scores and samples.")
    ] = None,
    images: Annotated[
        list[str] | None, typer.Option(metavar="FOLDER", help="Pictures for --report; may be given several times.")
    ] = None,
    id_key: Annotated[str | None, typer.Option(help="Key or column of the ids in the predictions.")] = None,
    answer_key: Annotated[str | None, typer.Option(help="Key or column of the answers in the predictions.")] = None,
    submission: Annotated[
        str | None, file_option("Write a test server's file (of glue, a zip); without --predictions, check this one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, unrounded, instead of a table.")] = False,
) -> None:
    """Score any system's predictions; needs no model and no torch.

    Example: vlhyper score vqa --annotations v2_mscoco_val2014_annotations.json --predictions results.json

    Test servers: vlhyper score vqa --questions v2_OpenEnded_mscoco_test2015_questions.json --predictions results.json
    --submission upload.json

    A whole suite: vlhyper score glue --predictions FOLDER --submission glue.zip
    """
    from vlhyper.errors import UserError
    from vlhyper.files import check_output

    if expanded:
        _refuse_expanded(predictions or "", [task, *expanded])
    files = {"annotations": annotations, "questions": questions, "vocabulary": vocabulary, "choices": choices}
    options: dict[str, Any] = {"split": split, "variant": variant, "answers": answers, "half": half, "metrics": metrics}
    options |= {"complete": complete or None, "partial": partial or None, "chat": chat or None}
    written = submission if predictions is not None else None
    for name, path in (("--items", items), ("--submission", written), ("--report", page)):
        if path is not None:
            read = {f"--{key}": file for key, file in files.items()}
            check_output(path, name, read | {"--predictions": predictions, "--against": against})
    if page is not None:
        # Before the work: says at once where the libraries of pages are not installed.
        from vlhyper.report.scored import write_report
    if submission is not None:
        others = {"confidence": confidence or None, "against": against, "items": items, "report": page}
        _refuse_beside_submission(task, options | others | {"vocabulary": vocabulary, "choices": choices})
        report = _submit(task, questions or annotations, submission, predictions, partial)
    elif predictions is None:
        raise UserError("scoring needs --predictions, the file of a system's answers")
    else:
        options |= {"id_key": id_key, "answer_key": answer_key}
        report = _score(task, predictions, files | options, confidence, against)
    if items is not None:
        report.write_items(items)
    if page is not None and predictions is not None:
        write_report(page, task, report, predictions, files | options, images or [])
    if as_json:
        # Escapes, not letters: standard output may have any encoding.
        print(json.dumps(report.to_json()))
    else:
        _show(report)
    if metrics is not None and report.skipped:
        # Something was asked for by name and could not be computed.
        raise typer.Exit(1)


def _refuse_expanded(predictions: str, others: list[str]) -> None:
    """Raises UserError for one argument too many, with the pattern from which a shell may have made them."""
    import os.path
    import shlex
    from pathlib import Path

    from vlhyper.errors import UserError

    ending = Path(predictions).suffix
    alike = [other for other in others if ending and Path(other).suffix == ending]
    start = os.path.commonprefix([predictions, *alike])  # noqa: RUF071 - the start of the names is meant
    pattern = shlex.quote(f"{start}*{ending}") if alike else "'rank_*.jsonl'"
    raise UserError(
        f"{(alike or others[1:])[0]}: is one argument too many; several files of predictions are given as a pattern in "
        f"quotes, which the shell then leaves alone: --predictions {pattern}"
    )


def _refuse_beside_submission(task: str, options: dict[str, Any]) -> None:
    from vlhyper.errors import UserError
    from vlhyper.scoring.suites import SUITES

    # Of a suite some files may be missing.
    allowed = ("partial",) if task in SUITES else ()
    given = [f"--{name}" for name, value in options.items() if value is not None and name not in allowed]
    if given:
        raise UserError(f"--submission writes or checks a file and gives no score; leave out {', '.join(given)}")


def _submit(task: str, questions: str | None, submission: str, predictions: str | None, partial: bool) -> Report:
    from vlhyper.scoring.submission import submit

    return submit(task, questions=questions, submission=submission, predictions=predictions, partial=partial)


def _score(task: str, predictions: str, options: dict[str, Any], confidence: bool, against: str | None) -> Report:
    from vlhyper.errors import UserError
    from vlhyper.scoring import score
    from vlhyper.scoring.scorers import find_scorer
    from vlhyper.scoring.suites import SUITES

    if task in SUITES:
        raise UserError(f"{task} is scored task by task, such as {task}:rte; --submission FILE.zip checks a whole one")
    scorer = find_scorer(task)
    if "progress" in scorer.options:
        options["progress"] = True
    if options.get(scorer.truth) is None and options["questions"] is not None and scorer.server is not None:
        raise UserError(f"scoring {task} needs --{scorer.truth}; to write a test server's file, add --submission FILE")
    return score(task, predictions=predictions, confidence=confidence, against=against, **options)


def _show(report: Report) -> None:
    """The report as a table for a person."""
    from rich.markup import escape

    from vlhyper.console import say
    from vlhyper.metrics.report import SENTENCES, SHORT_ANSWERS, flatten
    from vlhyper.show.tables import interval, print_table
    from vlhyper.wording import named

    content = report.to_json()
    columns = ["metric", "score"]
    # Types are named by the file: a name may hold what a terminal, or the table's markup, would obey.
    rows: list[list[Any]] = [
        [escape(" / ".join(map(named, path))) + (" ↓" if path == ("distribution",) else ""), value]
        for path, value in report.flat()
    ]
    sentences = content.get(SHORT_ANSWERS)
    if sentences is not None:
        columns.append(SENTENCES)
        short = report.of_sentences()
        for row, (path, _) in zip(rows, report.flat(), strict=True):
            row.append(short.get(path, ""))
    additions = [("95 % interval", content.get("confidence")), ("better by (95 %)", content.get("against"))]
    for title, addition in additions:
        if addition is None:
            continue
        if "metrics" in addition:
            columns.append("other")
            others = dict(flatten(addition["metrics"]))
            for row, (path, _) in zip(rows, report.flat(), strict=True):
                row.append(others.get(path, ""))
        columns.append(title)
        differences = dict(flatten(addition.get("difference", {})))
        intervals = dict(flatten(addition["intervals"]))
        for row, (path, _) in zip(rows, report.flat(), strict=True):
            middle = differences.get(path)
            row.append(("" if middle is None else f"{middle:+.2f} ") + interval(intervals.get(path)))
    settings = ", ".join(
        filter(None, (report.variant, *(f"{name} {value}" for name, value in report.settings.items())))
    )
    if rows:
        print_table(
            columns,
            rows,
            f"{report.task}{f' ({settings})' if settings else ''}: {report.n} of {content['total']} scored",
        )
    elif "submission" in report.settings:
        done = "written to" if report.settings["written"] else "complete and correct in"
        say(f"{report.task}: {report.n} records are {done} {report.settings['submission']}")
    for name, why in report.skipped.items():
        say(f"{name} skipped: {why}")
    for note in report.notes:
        say(f"note: {note}")
    if sentences is not None:
        say(f"note: {SENTENCES!r} is not the official score: {sentences['rule']} ({sentences['changed']} changed)")
