"""The command `vlhyper score`."""

from __future__ import annotations

import json
from pathlib import Path
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
            help="vqa, okvqa, gqa, caption, docvqa (ANLS), pope, multiple-choice, snli-ve, glue:cola … glue:rte, cb, "
            "boolq, imdb, paws.",
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
    page: Annotated[
        str | None, typer.Option("--report", metavar="FILE.html", help="Write a page of scores and samples.")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="The images, for clipscore and --report; may be repeated."),
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
            others = {f"--against {other}": other for other in against or ()}
            check_output(path, name, read | {"--predictions": predictions} | others)
    if page is not None:
        # Before the work: says at once where the libraries of pages are not installed.
        from vlhyper.report.scored import write_report
    if submission is not None:
        more = {"confidence": confidence or None, "against": against or None, "power": power, "items": items}
        more |= {"report": page, "vocabulary": vocabulary, "choices": choices}
        _refuse_beside_submission(task, options | more)
        report = _submit(task, questions or annotations, submission, predictions, partial)
    elif predictions is None:
        raise UserError("scoring needs --predictions, the file of a system's answers")
    else:
        options |= {"instances": instances, "id_key": id_key, "answer_key": answer_key, "power": power}
        typed = {**files, **options, "confidence": confidence, "clip_weights": clip_weights}
        typed |= {"clip_model": clip_model} if clip_weights else {}
        options |= {
            "images": _one_folder(images) if images and "clipscore" in (metrics or "") else None,
            "clip": _clip(clip_weights, clip_model) if clip_weights else None,
            "against": list(map(Path, against)) if against else None,
            "confidence": confidence,
        }
        report = _score(task, predictions, files | options)
    if items is not None:
        report.write_items(items)
    if page is not None and predictions is not None:
        write_report(page, task, report, predictions, typed, images or [])
    if as_json:
        # Escapes, not letters: standard output may have any encoding.
        print(json.dumps(report.to_json()))
    else:
        from vlhyper.commands._score_table import show_report

        show_report(report)
    if metrics is not None and report.skipped:
        # Something was asked for by name and could not be computed.
        raise typer.Exit(1)


def _refuse_expanded(predictions: str, others: list[str]) -> None:
    """Raises UserError for one argument too many, with the pattern from which a shell may have made them."""
    import os.path
    import shlex

    from vlhyper.errors import UserError

    ending = Path(predictions).suffix
    alike = [other for other in others if ending and Path(other).suffix == ending]
    start = os.path.commonprefix([predictions, *alike])  # noqa: RUF071 - the start of the names is meant
    pattern = shlex.quote(f"{start}*{ending}") if alike else "'rank_*.jsonl'"
    raise UserError(
        f"{(alike or others[1:])[0]}: is one argument too many; several files of predictions are given as a pattern in "
        f"quotes, which the shell then leaves alone: --predictions {pattern}"
    )


def _clip(weights: str, model: str) -> Any:
    """The CLIP of CLIPScore, the one part of scoring that needs torch."""
    from feature_extraction.clip import load_clip

    return load_clip(weights, model)


def _one_folder(images: list[str]) -> str:
    """The folder of CLIPScore's images. Raises UserError for several."""
    from vlhyper.errors import UserError

    if len(images) > 1:
        raise UserError(f"--images {images[1]}: clipscore reads one folder; put all images into one")
    return images[0]


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
