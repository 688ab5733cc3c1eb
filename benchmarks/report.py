"""How large a page of many samples is, how long it takes to write, and how fast a browser shows and searches it.

    python benchmarks/report.py                                   100,000 questions, without pictures
    python benchmarks/report.py --images coco/val2014             the same with photographs, each under many names

Two systems' answers to VQA questions in the official layout, 1,200 different right answers and 65 question types, are
scored with `vlhyper score --against --report`. The page is opened in a headless Chromium; all times but that of writing
are what the page itself measures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

from vlhyper.cli import run
from vlhyper.console import say
from vlhyper.show.tables import print_table

QUESTIONS, OF_AN_IMAGE = 100_000, 5
WORDS = ["what", "is", "the", "color", "of", "man", "on", "left", "side", "wooden", "table", "that", "looks", "red"]
ANSWERS = ["yes", "no", *(f"thing {number}" for number in range(1200))]
KINDS = ["other", "yes/no", "number"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--questions", type=int, default=QUESTIONS)
    arguments.add_argument("--images", type=Path, help="folder of photographs")
    arguments.add_argument("--keep", type=Path, help="where the page is kept")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        rows = written(Path(folder), page, chosen.questions, chosen.images)
        rows += shown(page)
        if chosen.keep:
            shutil.copy(page, chosen.keep)
    print_table(("", "figure", "unit"), rows, title=f"{chosen.questions:,} samples, two systems")


def written(folder: Path, page: Path, count: int, images: Path | None) -> list[tuple[str, float, str]]:
    """Write the files and the page; the seconds that this takes, and its size."""
    say("generating the files")
    write_files(folder, count)
    options = []
    if images is not None:
        link_images(images, folder / "images", count // OF_AN_IMAGE)
        options = ["--images", str(folder / "images")]
    files = {"annotations": "a", "questions": "q", "predictions": "ours", "against": "theirs"}
    words = [word for name, file in files.items() for word in (f"--{name}", str(folder / f"{file}.json"))]
    seconds = []
    for more in ([], ["--report", str(page), *options]):
        began, cpu = time.perf_counter(), time.process_time()
        run(["score", "vqa", *words, *more])
        seconds.append((time.perf_counter() - began, time.process_time() - cpu))
    (plain, plain_cpu), (all_of_it, all_cpu) = seconds
    return [
        ("scores without a page", plain, "s"),
        ("scores with the page", all_of_it, "s"),
        ("CPU time of the page alone", all_cpu - plain_cpu, "s"),
        ("size of the page", page.stat().st_size / 1e6, "MB"),
    ]


def write_files(folder: Path, count: int) -> None:
    """VQA files of `count` questions, five to an image, and two systems' answers."""
    draw = random.Random(0)
    ids = [{"question_id": number, "image_id": number // OF_AN_IMAGE} for number in range(count)]
    right = [draw.choice(ANSWERS[: draw.choice((2, 20, 200, len(ANSWERS)))]) for _ in ids]
    people = [[one] * draw.choice((3, 5, 8, 10)) for one in right]
    people = [some + [draw.choice(ANSWERS) for _ in range(10 - len(some))] for some in people]
    questions = [{**id, "question": " ".join(draw.choices(WORDS, k=draw.randrange(4, 12))) + "?"} for id in ids]
    types = [f"{WORDS[number % 14]} {WORDS[number % 5]} {number}" for number in range(65)]
    annotations = [
        {
            **id,
            "question_type": draw.choice(types),
            "answer_type": draw.choice(KINDS),
            "answers": [{"answer": one, "answer_id": place} for place, one in enumerate(some, start=1)],
        }
        for id, some in zip(ids, people, strict=True)
    ]
    for name, share in {"ours": 0.6, "theirs": 0.5}.items():
        given = [one if draw.random() < share else draw.choice(ANSWERS) for one in right]
        records = [{"question_id": number, "answer": answer} for number, answer in enumerate(given)]
        (folder / f"{name}.json").write_text(json.dumps(records))
    (folder / "q.json").write_text(json.dumps({"questions": questions}))
    (folder / "a.json").write_text(json.dumps({"annotations": annotations}))


def link_images(source: Path, folder: Path, count: int) -> None:
    """The photographs of `source` in turn under the names of `count` images."""
    folder.mkdir()
    photographs = [shutil.copy(path, folder / f"of_{path.name}") for path in sorted(source.glob("*.jpg"))]
    for number in range(count):
        os.link(photographs[number % len(photographs)], folder / f"COCO_val2014_{number:012d}.jpg")
    for path in photographs:
        Path(path).unlink()


def shown(page: Path) -> list[tuple[str, float, str]]:
    """What a headless Chromium takes to show, open, search, turn and order."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.set_default_timeout(300_000)
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector("#scores td")
        tab.wait_for_selector("html[data-ready]", state="attached")
        paint = tab.evaluate("performance.getEntriesByType('paint').at(-1)?.startTime ?? performance.now()")
        ready = tab.evaluate("performance.getEntriesByName('ready')[0].startTime")
        rows = [("scores are painted", paint, "ms"), ("samples are ready", ready, "ms")]
        steps = {
            "open all samples": "open({section: 0})",
            "search for the first time": "view.search = 'wooden table'; refresh()",
            "search again": "view.search = 'thing 117'; refresh()",
            "order by score": "view.search = ''; view.sort = 1; refresh()",
            "next page": "turn(1)",
        }
        for what, code in steps.items():
            timed = f"(() => {{ const began = performance.now(); {code}; return performance.now() - began; }})()"
            rows.append((what, tab.evaluate(timed), "ms"))
        rows.append(("memory of the script", tab.evaluate("performance.memory.usedJSHeapSize / 1e6"), "MB"))
        browser.close()
    return rows


if __name__ == "__main__":
    main()
