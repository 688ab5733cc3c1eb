"""The command `vlhyper score`."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vlhyper.metrics import Report


def file_option(text: str) -> Any:
    return typer.Option(metavar="FILE", help=text)


def command(
    task: Annotated[
        str,
        typer.Argument(
            help="vqa, okvqa, gqa, caption, docvqa (ANLS), pope, multiple-choice, snli-ve, glue:cola … glue:rte, cb, "
            "boolq, imdb, paws."
        ),
    ],
    predictions: Annotated[
        str | None, file_option("Predictions; several files as a pattern in quotes, - for standard input.")
    ] = None,
    annotations: Annotated[str | None, file_option("What people answered or wrote.")] = None,
    questions: Annotated[str | None, file_option("Official questions (for GQA also a folder of chunks).")] = None,
    split: Annotated[
        str | None, typer.Option(help="Split of dataset_coco.json, problems.json; test unless given.")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            help="VQA accuracy: official, vl-t5, lmms-eval or textvqa. POPE: official or lmms-eval. Multiple choice: "
            "a-okvqa, llava or vlmevalkit."
        ),
    ] = None,
    answers: Annotated[str | None, typer.Option(help="OK-VQA answers: stemmed or raw.")] = None,
    half: Annotated[str | None, typer.Option(help="OK-VQA: one half, first or second, by a hash of the ids.")] = None,
    vocabulary: Annotated[str | None, file_option("VQA: frequent answers, for in_domain and out_domain.")] = None,
    choices: Annotated[str | None, file_option("GQA: choices, for validity and plausibility.")] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Captions: some of bleu,meteor,rouge,cider,spice,clipscore,refclipscore,chair.")
    ] = None,
    images: Annotated[str | None, typer.Option(metavar="FOLDER", help="Captions: the images, for clipscore.")] = None,
    instances: Annotated[str | None, file_option("Captions: COCO's instances_val2014.json, for chair.")] = None,
    clip_weights: Annotated[
        str | None, typer.Option(metavar="FILE|TAG", help="Captions: weights of the CLIP, for clipscore.")
    ] = None,
    clip_model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Captions: the CLIP, an open_clip model or its config.")
    ] = "ViT-B-32",
    complete: Annotated[bool, typer.Option("--complete", help="Captions: an image without one is an error.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Score what is there; missing ones are not an error.")
    ] = False,
    chat: Annotated[
        bool, typer.Option("--chat", help="Beside the official scores, those of the short answers in sentences.")
    ] = False,
    confidence: Annotated[bool, typer.Option("--confidence", help="Add 95 % bootstrap intervals.")] = False,
    against: Annotated[
        list[str] | None,
        file_option("Another system's predictions, to compare with; may be given several times."),
    ] = None,
    power: Annotated[
        float | None,
        typer.Option(metavar="POINTS", help="How many items show a difference of so many points (80 % power, 5 %)."),
    ] = None,
    items: Annotated[str | None, file_option("Write the score of every item, one JSON object a line.")] = None,
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

    for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):
        # Only a program's main thread may say what a signal does, and not every system has all of them.
        with contextlib.suppress(ValueError, AttributeError):
            number = getattr(signal, name)
            # What the caller has ignored, as nohup has the hangup, stays so.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _leave)
    files = {"annotations": annotations, "questions": questions, "vocabulary": vocabulary, "choices": choices}
    options: dict[str, Any] = {"split": split, "variant": variant, "answers": answers, "half": half, "metrics": metrics}
    options |= {"complete": complete or None, "partial": partial or None, "chat": chat or None}
    written = submission if predictions is not None else None
    for name, path in (("--items", items), ("--submission", written)):
        if path is not None:
            read = {f"--{key}": file for key, file in files.items()}
            others = {f"--against {other}": other for other in against or ()}
            check_output(path, name, read | {"--predictions": predictions} | others)
    if submission is not None:
        more = {"confidence": confidence or None, "against": against or None, "power": power, "items": items}
        _refuse_beside_submission(task, options | more | {"vocabulary": vocabulary, "choices": choices})
        report = _submit(task, questions or annotations, submission, predictions, partial)
    elif predictions is None:
        raise UserError("scoring needs --predictions, the file of a system's answers")
    else:
        options |= {"id_key": id_key, "answer_key": answer_key, "confidence": confidence, "power": power}
        options |= {
            "images": images,
            "instances": instances,
            "clip": _clip(clip_weights, clip_model) if clip_weights else None,
        }
        options["against"] = list(map(Path, against)) if against else None
        report = _score(task, predictions, files | options)
    if items is not None:
        report.write_items(items)
    if as_json:
        # Escapes, not letters: standard output may have any encoding.
        print(json.dumps(report.to_json()))
    else:
        from vlhyper.commands._score_table import show_report

        show_report(report)
    if metrics is not None and report.skipped:
        # Something was asked for by name and could not be computed.
        raise typer.Exit(1)


def _clip(weights: str, model: str) -> Any:
    """The CLIP of CLIPScore, the one part of scoring that needs torch."""
    from feature_extraction.clip import load_clip

    return load_clip(weights, model)


def _leave(number: int, frame: FrameType | None) -> None:
    """A plain `kill`, or a closed terminal, ends as an interrupt does: child programs and temporary files go."""
    raise SystemExit(128 + number)


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


def _score(task: str, predictions: str, options: dict[str, Any]) -> Report:
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
    return score(task, predictions=predictions, **options)
