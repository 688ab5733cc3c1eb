"""Our scorers and the ones they replace, side by side in one run: seconds and peak memory of whole processes.

    python benchmarks/scoring.py vqa --checkout VQA --annotations A.json --questions Q.json
    python benchmarks/scoring.py captions --annotations captions_val2017.json
    python benchmarks/scoring.py spice --annotations captions_val2017.json

`--checkout` is a copy of GT-Vision-Lab/VQA. Its code is Python 2: its print statements are given brackets and its tabs
made spaces, nothing else is changed. The files are real ones, multiplied to `--size`: every twentieth human answer, and
one word of every caption, is drawn from the file's own words, so that no scorer sees the same texts over and over.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help=__doc__, rich_markup_mode=None)
FilePath = Annotated[Path, typer.Option(exists=True)]
VQA_VAL = 214_354
CAPTIONS = 25_000
SPICE_IMAGES = 300


@app.command()
def vqa(checkout: FilePath, annotations: FilePath, questions: FilePath, size: int = VQA_VAL) -> None:
    """VQA accuracy against the official evaluator."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = apart(multiply_vqa, annotations, questions, size, folder)
        for path in checkout.glob("Python*Tools/*/*.py"):
            (folder / path.name).write_text(
                re.sub(r"(?m)^(\s*)print (.+)$", r"\1print(\2)", path.read_text().expandtabs())
            )
        official = timed([sys.executable, __file__, "run-official-vqa", str(folder)])
        files = ["--annotations", paths["a"], "--questions", paths["q"], "--predictions", paths["p"]]
        ours = timed([sys.executable, "-m", "vlhyper", "score", "vqa", *files, "--json"])
    show(f"VQA accuracy, {size} questions", {"official evaluator": official, "vlhyper score": ours})
    same(json.loads(official["out"].split("\n")[-2]), json.loads(ours["out"])["metrics"]["overall"], 0.005)


@app.command()
def captions(annotations: FilePath, size: int = CAPTIONS) -> None:
    """Captions without SPICE against COCOEvalCap."""
    with tempfile.TemporaryDirectory() as name:
        reference, results = apart(multiply_captions, annotations, size, Path(name), 0)
        plain = timed([sys.executable, __file__, "run-coco-eval-cap", reference, results])
        files = ["--annotations", reference, "--predictions", results, "--metrics", "bleu,meteor,rouge,cider"]
        ours = timed([sys.executable, "-m", "vlhyper", "score", "caption", *files, "--json"])
    show(f"{size} captions without SPICE", {"pycocoevalcap COCOEvalCap": plain, "vlhyper score": ours})
    same(json.loads(plain["out"].split("\n")[-2]), json.loads(ours["out"])["metrics"]["METEOR"], 0)


@app.command()
def spice(annotations: FilePath, size: int = SPICE_IMAGES) -> None:
    """SPICE of a first system, of a second one whose captions are all other ones, and of that one again.

    The first run fills the cache of parses. Five references and a caption an image bound what the second can save.
    """
    with tempfile.TemporaryDirectory() as name:
        os.environ.setdefault("VLHYPER_CORENLP", str(parser_folder()))
        os.environ["VLHYPER_CACHE"] = name
        runs = {}
        for title, seed in {"first system": 0, "second system": 1, "second system again": 1}.items():
            reference, results = apart(multiply_captions, annotations, size, Path(name), seed)
            files = ["--annotations", reference, "--predictions", results, "--metrics", "spice", "--json"]
            runs[title] = timed([sys.executable, "-m", "vlhyper", "score", "caption", *files])
    show(f"SPICE of {size} images", runs)


def parser_folder() -> Path:
    from vlhyper.metrics.captions.spice import parser_folder

    return parser_folder()


def apart(make: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function in a process of its own: a program's peak memory begins at that of who starts it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(make, *arguments).result()


def multiply_vqa(annotations: Path, questions: Path, size: int, folder: Path) -> dict[str, str]:
    """Write annotations, questions and predictions of `size` questions; their paths by the first letter."""
    draw = random.Random(0)
    truth = json.loads(annotations.read_text())
    records = truth["annotations"]
    words = sorted({word for record in records for person in record["answers"] for word in person["answer"].split()})
    made, asked, predicted = [], [], []
    for number in range(size):
        record = records[number % len(records)]
        people = [
            {**person, "answer": " ".join(draw.sample(words, 2)) if draw.random() < 0.05 else person["answer"]}
            for person in record["answers"]
        ]
        made.append({**record, "question_id": number, "answers": people})
        asked.append({"question_id": number, "image_id": record["image_id"], "question": "What?"})
        predicted.append({"question_id": number, "answer": draw.choice(people)["answer"]})
    contents = {
        "a": {**truth, "annotations": made},
        "q": {**json.loads(questions.read_text()), "questions": asked},
        "p": predicted,
    }
    return {name: write(folder / f"{name}.json", value) for name, value in contents.items()}


def multiply_captions(annotations: Path, size: int, folder: Path, seed: int) -> tuple[str, str]:
    """Write references of `size` images (the same for every seed) and one caption for each (another for every seed)."""
    draw = random.Random(0)
    texts: dict[int, list[str]] = {}
    for record in json.loads(annotations.read_text())["annotations"]:
        texts.setdefault(record["image_id"], []).append(record["caption"])
    words = sorted({word for group in texts.values() for text in group for word in text.split()})
    groups = list(texts.values())
    references = []
    for number in range(size):
        for text in groups[number % len(groups)]:
            references.append({"id": len(references), "image_id": number, "caption": varied(text, words, draw)})
    draw = random.Random(seed + 1)
    results = [
        {"image_id": number, "caption": varied(draw.choice(groups[number % len(groups)]), words, draw)}
        for number in range(size)
    ]
    images = [{"id": number} for number in range(size)]
    reference = write(folder / "references.json", {"info": {}, "images": images, "annotations": references})
    return reference, write(folder / "results.json", results)


def varied(text: str, words: list[str], draw: random.Random) -> str:
    """The text with one word replaced."""
    parts = text.split()
    parts[draw.randrange(len(parts))] = draw.choice(words)
    return " ".join(parts)


def write(path: Path, value: Any) -> str:
    path.write_text(json.dumps(value))
    return str(path)


def timed(command: list[str]) -> dict[str, Any]:
    """Run a program to its end: output, seconds, seconds of CPU with its children's, and its peak memory in MB."""
    before = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - before
        if status:
            raise SystemExit(f"{' '.join(command)} failed")
        out.seek(0)
        return {
            "out": out.read(),
            "seconds": seconds,
            "cpu": usage.ru_utime + usage.ru_stime,
            "memory": usage.ru_maxrss / 1000,
        }


def show(title: str, runs: dict[str, dict[str, Any]]) -> None:
    """A line a run; the first one is what the others are measured by."""
    print(title)
    first = next(iter(runs.values()))
    for name, run in runs.items():
        ratios = (
            "" if run is first else f"   {ratio(first, run, 'seconds')} by the clock, {ratio(first, run, 'cpu')} by CPU"
        )
        print(f"  {name:28} {run['seconds']:8.1f} s {run['cpu']:8.1f} s CPU {run['memory']:8.0f} MB{ratios}")


def ratio(first: dict[str, Any], run: dict[str, Any], unit: str) -> str:
    return f"{first[unit] / run[unit]:.1f} times as fast"


def same(theirs: float, ours: float, tolerance: float) -> None:
    if abs(theirs - ours) > tolerance:
        raise SystemExit(f"the scores differ: {theirs} and {ours}")


@app.command(hidden=True)
def run_official_vqa(folder: Path) -> None:
    """The official program, as its own demo calls it."""
    sys.path.insert(0, str(folder))
    from vqa import VQA  # type: ignore[import-not-found]
    from vqaEval import VQAEval  # type: ignore[import-not-found]

    truth = VQA(str(folder / "a.json"), str(folder / "q.json"))
    evaluation = VQAEval(truth, truth.loadRes(str(folder / "p.json"), str(folder / "q.json")), n=2)
    evaluation.evaluate()
    print(f"\n{evaluation.accuracy['overall']}")


@app.command(hidden=True)
def run_coco_eval_cap(reference: str, results: str) -> None:
    """COCOEvalCap as its example calls it, with the Java of ours and with SPICE, which dies on it, passed over."""
    from pycocoevalcap import eval as coco_eval
    from pycocotools.coco import COCO

    from vlhyper.metrics.java.processes import find_java

    os.environ["PATH"] = f"{find_java().parent}{os.pathsep}{os.environ['PATH']}"
    coco_eval.Spice = NoSpice
    truth = COCO(reference)
    evaluation = coco_eval.COCOEvalCap(truth, truth.loadRes(results))
    evaluation.evaluate()
    print(f"\n{100 * evaluation.eval['METEOR']}")


class NoSpice:
    def compute_score(self, truth: dict[Any, Any], _: dict[Any, Any]) -> tuple[float, list[float]]:
        return 0.0, [0.0] * len(truth)

    def method(self) -> str:
        return "nothing in SPICE's place"


if __name__ == "__main__":
    app()
