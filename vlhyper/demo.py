"""The whole job on the miniature world: draw, extract, train and evaluate a model and a control with wrong images.

Then both are tuned on a few examples of tasks whose prompts they have not seen in training.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import torch

from vlhyper.console import say
from vlhyper.errors import JobError, UserError
from vlhyper.fewshot.results import Result, curves
from vlhyper.fewshot.study import plan
from vlhyper.fewshot.transfer import transfer
from vlhyper.fewshot.view import save_figure
from vlhyper.files import read_json, write_json, write_text
from vlhyper.metrics import Report
from vlhyper.metrics.seeds import Point
from vlhyper.run.config import load_config, load_run
from vlhyper.run.evaluate import evaluate_run
from vlhyper.run.memory import keep_freed_memory
from vlhyper.run.tasks import resolve
from vlhyper.run.train import train
from vlhyper.show.gallery import Exhibit, Line, save_gallery
from vlhyper.show.tables import print_table
from vlhyper.world import SIZES, build, tiny
from vlhyper.world.language import caption_is_right

CONFIG = "demo.yaml"
SPLITS = {"test": "new images", "unseen": "pairs of colour and shape never seen"}
SYSTEMS = {"model": False, "blind": True}
CAPTION_METRICS = "bleu,cider"

Scores = dict[str, dict[str, float]]
Seconds = dict[str, float]


class Few(NamedTuple):
    """Few-shot runs: numbers of examples by task, how many seeds, and overrides of their config."""

    shots: Mapping[str, Sequence[int]]
    seeds: int
    changes: Sequence[str]


FEW = Few(
    {"okvqa": (16, 128), "snli-ve": (500,)},
    2,
    ("training.steps=60", "training.decay=60", "validation.every=30", "validation.sample=100"),
)


class Learnt(NamedTuple):
    """One system: scores by split, few-shot results, and the seconds that each stage took."""

    scores: dict[str, Scores]
    few: list[Result]
    seconds: Seconds


def run_demo(
    out: Path,
    seed: int = 0,
    level: str = "easy",
    sizes: Mapping[str, int] = SIZES,
    changes: Sequence[str] = (),
    few: Few = FEW,
) -> dict[str, Any]:
    """Do the whole job in the folder `out`; return the content of `out/demo.json`.

    `{"model": {task: {metric: value}}, "blind": {...}, "unseen": {"model": ..., "blind": ...}, "fewshot": {"model":
    {task: {shots: {"mean": value, "deviation": value}}}, "blind": ...}, "seconds": {stage: s}}`, scores × 100. The same
    seed on the same machine and number of threads gives the same scores.
    `sizes` are images by split, `changes` overrides of the config, for a smaller or larger demo.
    Raises UserError for a folder with other files.
    """
    prepare(out)
    began = time.monotonic()
    seconds: Seconds = {}
    with _stage(seconds, "draw", "draw the miniature world and write its questions and captions"):
        build(out / "world", seed, sizes, level)
    with _stage(seconds, "extract", "extract image features once, with the miniature CLIP"):
        extract(out)
    say("\n── train VL-HyperPELT on four tasks together with its blind control (blind.log); then answer and score,")
    say("   and tune both on a few examples of new tasks")
    learnt = learn_side_by_side(out, seed, changes, few)
    for system, one in learnt.items():
        seconds.update({f"{stage} {system}": time for stage, time in one.seconds.items()})
    seconds["total"] = round(time.monotonic() - began, 1)
    scores = {split: {system: one.scores[split] for system, one in learnt.items()} for split in SPLITS}
    fewshot = {system: few_scores(one.few) for system, one in learnt.items()}
    result = {**scores["test"], "unseen": scores["unseen"], "fewshot": fewshot, "seconds": seconds}
    write_json(out / "demo.json", result, indent=2)
    save_gallery(exhibits(out), out / "demo.png", title="New images: answers of VL-HyperPELT and of its blind control")
    save_figure([one for system in learnt.values() for one in system.few], out / "fewshot.png")
    show(result)
    told = {"scores": "demo.json", "pictures with answers": "demo.png", "few-shot scores": "fewshot.png"}
    say(" · ".join(f"{what}: {out / name}" for what, name in told.items()))
    return result


def few_scores(results: Sequence[Result]) -> dict[str, dict[str, dict[str, float | None]]]:
    """{task: {shots: {"mean", "deviation"}}} over seeds."""
    return {curve.task: {str(shots): one._asdict() for shots, one in curve.points.items()} for curve in curves(results)}


def prepare(out: Path) -> None:
    """Empty the folder and write the config. Raises UserError for a folder that is not a demo's."""
    if out.exists() and any(out.iterdir()) and not (out / CONFIG).is_file():
        raise UserError(f"{out}: not empty and not the folder of a demo; choose another with --out")
    for name in ("world", *SYSTEMS):
        shutil.rmtree(out / name, ignore_errors=True)
    written = ("demo.json", "demo.png", "blind.log", "fewshot.png", "fewshot.svg")
    for name in ("features.h5", "features.skipped.jsonl", *written):
        (out / name).unlink(missing_ok=True)
    write_config(out)


def write_config(out: Path) -> None:
    """Write the demo's config, with the place of the miniature T5."""
    config = (files("vlhyper.world") / CONFIG).read_text(encoding="utf-8")
    write_text(out / CONFIG, config.replace("MINIATURE_T5", json.dumps(str(tiny() / "t5"))))


def extract(out: Path) -> None:
    """Run the extraction program as a user would. Raises JobError where it fails."""
    options = ["--encoder", str(tiny() / "clip.json"), "--weights", str(tiny() / "clip.safetensors")]
    command = [sys.executable, "-m", "vlhyper", "extract", str(out / "world/images"), "--out", str(out / "features.h5")]
    if subprocess.run([*command, *options], check=False).returncode:
        raise JobError("extraction failed; see its error above")


def learn_side_by_side(out: Path, seed: int, changes: Sequence[str], few: Few) -> dict[str, Learnt]:
    """Train and score both systems at the same time, each with half of the threads.

    At this size two processes with one thread each do far more steps than one process with two threads.
    """
    threads = max(1, torch.get_num_threads() // len(SYSTEMS))
    common = [f"training.seed={seed}", *changes]
    with ProcessPoolExecutor(len(SYSTEMS), multiprocessing.get_context("spawn")) as pool:
        jobs = {
            system: pool.submit(learn, out, system, [*common, f"features.mismatched={mismatched}"], threads, few)
            for system, mismatched in SYSTEMS.items()
        }
        return {system: job.result() for system, job in jobs.items()}


def learn(out: Path, system: str, overrides: Sequence[str], threads: int, few: Few) -> Learnt:
    """Train one system, score it on every split, and tune it on a few examples of each new task."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    seconds: Seconds = {}
    # Two progress bars in one terminal would overwrite each other; that of the control goes to a file.
    log = (out / f"{system}.log").open("w") if SYSTEMS[system] else contextlib.nullcontext(sys.stderr)
    with log as told, contextlib.redirect_stderr(told):
        with _stage(seconds, "train", f"training {system}"):
            train(resolve(load_config(out / CONFIG, overrides)), out / system)
        with _stage(seconds, "evaluate", f"answering {' and '.join(SPLITS.values())}"):
            run = resolve(load_run(out / system))
            metrics = {
                split: _metrics(evaluate_run(run, out / system, split, caption_metrics=CAPTION_METRICS))
                for split in SPLITS
            }
        with _stage(seconds, "few-shot", f"a few examples of {' and '.join(few.shots)}"):
            results = [
                result
                for task, shots in few.shots.items()
                for result in transfer(
                    plan(out / system, task, overrides=few.changes), out / system / "fewshot", shots, few.seeds
                )
            ]
    return Learnt(metrics, results, seconds)


def exhibits(out: Path, count: int = 8) -> list[Exhibit]:
    """Questions on new images, evenly spaced in the test split, with the answers of model and control and the truth.

    An answer is right if it is the truth, a caption if it names every object and nothing false about them.
    """
    world = out / "world/annotations"
    questions = read_json(world / "vqa_test_questions.json")["questions"]
    truths = read_json(world / "vqa_test_annotations.json")["annotations"]
    truth = {record["question_id"]: record["multiple_choice_answer"] for record in truths}
    said = {
        system: {
            record["question_id"]: record["answer"] for record in read_json(out / system / "predictions/vqa.test.json")
        }
        for system in SYSTEMS
    }
    captions = {
        record["image_id"]: record["caption"] for record in read_json(out / "model/predictions/caption.test.json")
    }
    references: dict[int, list[str]] = defaultdict(list)
    for record in read_json(world / "caption_test_annotations.json")["annotations"]:
        references[record["image_id"]].append(record["caption"])
    found = []
    # The stride is not a multiple of the questions per image, so that different kinds of question are shown.
    for question in questions[:: len(questions) // count + 1]:
        number, image = question["question_id"], question["image_id"]
        model, blind = said["model"][number], said["blind"][number]
        lines = [
            Line(f"model: {model}", model == truth[number]),
            Line(f"truth: {truth[number]}"),
            Line(f"blind: {blind}", blind == truth[number]),
            Line(f"caption: {captions[image]}", caption_is_right(captions[image], references[image])),
        ]
        picture = out / "world/images/test" / f"world_{image:06d}.jpg"
        found.append(Exhibit(picture, question["question"], lines))
    return found


def show(result: Mapping[str, Any]) -> None:
    """Print the scores of model and control in one table per split."""
    for split, title in SPLITS.items():
        systems = result if split == "test" else result[split]
        rows = [
            (task, metric, value, systems["blind"][task][metric], value - systems["blind"][task][metric])
            for task, metrics in systems["model"].items()
            for metric, value in metrics.items()
        ]
        print_table(("task", "metric", "VL-HyperPELT", "blind control", "difference"), rows, title=f"{split}: {title}")
    show_few(result["fewshot"])
    seconds = result["seconds"]
    say(" · ".join(f"{stage} {spent:.0f} s" for stage, spent in seconds.items()))


def show_few(systems: Mapping[str, Any]) -> None:
    """Print the few-shot scores of model and control in one table."""
    rows = []
    for task, by_shots in systems["model"].items():
        for shots, found in by_shots.items():
            model, blind = Point(**found), Point(**systems["blind"][task][shots])
            rows.append((task, int(shots), str(model), str(blind), model.mean - blind.mean))
    print_table(
        ("task", "examples", "VL-HyperPELT", "blind control", "difference"),
        rows,
        title="few-shot: new tasks, tuned on a few examples (mean ± deviation over seeds)",
    )


def _metrics(reports: Mapping[str, Report]) -> Scores:
    """The single metrics of each report; breakdowns are in scores.json of the run folders."""
    return {
        task: {metric: value for metric, value in report.metrics.items() if isinstance(value, float)}
        for task, report in reports.items()
    }


@contextlib.contextmanager
def _stage(seconds: Seconds, name: str, title: str) -> Iterator[None]:
    say(f"\n── {title}")
    began = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - began, 1)
