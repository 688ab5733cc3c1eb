"""How long the large data sets take to open for the first time and again, and how much memory that needs.

    python benchmarks/readers.py                      the full sizes; 14 million records of GQA are 14 GB on disk
    python benchmarks/readers.py --gqa 1_000_000

Files of the full size are generated in the official layouts: VQA v2 train (443,757 questions, ten answers each), once
in step and once with the annotations reversed, the worst case for the join, and GQA's train_all in ten chunks. Each
opening runs in a process of its own, whose peak memory is read at its end. CPU seconds are shown too, for other
programs may be running; `import` is what importing `datasets` takes before.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from vlhyper.console import say
from vlhyper.show.tables import print_table

VQA_TRAIN, GQA_TRAIN_ALL, CHUNKS = 443_757, 14_305_356, 10
WORDS = ["what", "is", "the", "color", "of", "man", "on", "left", "side", "wooden", "table", "that", "looks", "red"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--vqa", type=int, default=VQA_TRAIN, help="questions of VQA train")
    arguments.add_argument("--gqa", type=int, default=GQA_TRAIN_ALL, help="records of GQA train_all")
    arguments.add_argument("--folder", type=Path, help="where the files are made (default: a temporary folder)")
    arguments.add_argument("--measure", nargs=2, metavar=("MANIFEST", "CACHE"), help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.measure:
        print(json.dumps(measured(*chosen.measure)))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        compare(Path(folder), chosen.vqa, chosen.gqa)


def compare(folder: Path, vqa: int, gqa: int) -> None:
    """Generate, open and reopen each data set; print one line for each."""
    say("generating the files")
    write_vqa(folder, vqa)
    write_gqa(folder / "train_all_questions", gqa)
    sets = {
        "VQA v2 train": ("vqa", {"questions": "q.json", "annotations": "a.json"}, vqa),
        "the same, annotations reversed": ("vqa", {"questions": "q.json", "annotations": "reversed.json"}, vqa),
        "GQA train_all": ("gqa", {"questions": "train_all_questions"}, gqa),
    }
    lines = []
    for label, (form, files, count) in sets.items():
        first, again = (opened(folder, form, files, count) for _ in range(2))
        size = sum(path.stat().st_size for path in files_of(folder, files.values())) / 1e9
        times = (first["seconds"], first["cpu"], first["gigabytes"], again["seconds"], again["cpu"], again["import"])
        lines.append((label, f"{count:,}", size, *times))
    columns = ("data set", "rows", "files GB", "first s", "its CPU s", "peak GB", "again s", "its CPU s", "import s")
    print_table(columns, lines, f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def files_of(folder: Path, names: Iterable[str]) -> list[Path]:
    paths = [folder / name for name in names]
    return [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]


def opened(folder: Path, form: str, files: dict[str, str], count: int) -> dict[str, float]:
    """One opening in a process of its own."""
    split = {"files": files, "count": count}
    manifest = folder / "manifest.yaml"
    manifest.write_text(json.dumps({"name": "benchmark", "format": form, "splits": {"train": split}}))
    command = [sys.executable, __file__, "--measure", str(manifest), str(folder / "cache")]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measured(manifest: str, cache: str) -> dict[str, float]:
    """Seconds of `load_rows`, of importing `datasets` before it, and the process's peak memory."""
    began = time.perf_counter()
    import datasets  # noqa: F401

    from vlhyper.readers import load_manifest, load_rows

    ready, busy = time.perf_counter(), time.process_time()
    rows = load_rows(load_manifest(manifest), "train", cache)
    done, cpu = time.perf_counter(), time.process_time() - busy
    assert len(rows) == json.loads(Path(manifest).read_text())["splits"]["train"]["count"]
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"seconds": done - ready, "cpu": cpu, "import": ready - began, "gigabytes": peak / 1e9}


def write_vqa(folder: Path, count: int) -> None:
    dice = random.Random(0)
    numbers = range(count)
    texts = (question(dice, number) for number in numbers)
    questions = (
        {"image_id": n // 5, "question": text, "question_id": n} for n, text in zip(numbers, texts, strict=True)
    )
    write_list(folder / "q.json", "questions", map(json.dumps, questions))
    write_list(folder / "a.json", "annotations", (annotation(dice, number) for number in numbers))
    write_list(folder / "reversed.json", "annotations", (annotation(dice, number) for number in reversed(numbers)))


def question(dice: random.Random, number: int) -> str:
    return " ".join(dice.choices(WORDS, k=7)) + f" {number % 1000}?"


def annotation(dice: random.Random, number: int) -> str:
    words = dice.choices(WORDS, k=3)
    people = [{"answer": words[min(n % 5, 2)], "answer_confidence": "yes", "answer_id": n + 1} for n in range(10)]
    record = {
        "question_type": "what is the",
        "multiple_choice_answer": words[2],
        "answers": people,
        "image_id": number // 5,
        "answer_type": "other",
        "question_id": number,
    }
    return json.dumps(record)


def write_list(path: Path, key: str, records: Iterable[str]) -> None:
    with path.open("w") as file:
        file.write(f'{{"info": {{"year": 2017}}, "license": {{}}, "data_subtype": "train2014", "{key}": [')
        write_joined(file, records)
        file.write("]}")


def write_gqa(folder: Path, count: int) -> None:
    """Chunks of records as long as real ones: about 830 bytes with programs, entailments and groups."""
    folder.mkdir()
    dice = random.Random(0)
    members = [json.dumps(gqa_record(dice, number)) for number in range(5000)]
    for chunk in range(CHUNKS):
        numbers = range(chunk, count, CHUNKS)
        with (folder / f"train_all_questions_{chunk}.json").open("w") as file:
            file.write("{")
            write_joined(file, (f'"{number:08d}": {members[number % len(members)]}' for number in numbers))
            file.write("}")


def gqa_record(dice: random.Random, number: int) -> dict:
    steps = ("select", "filter color", "relate", "query")
    return {
        "semantic": [
            {
                "operation": step,
                "dependencies": [index - 1] if index else [],
                "argument": f"{dice.choice(WORDS)} (1{number})",
            }
            for index, step in enumerate(steps)
        ],
        "entailed": [f"{number + k:08d}" for k in range(5)],
        "equivalent": [f"{number:08d}"],
        "question": question(dice, number),
        "imageId": str(2_300_000 + number),
        "isBalanced": False,
        "groups": {"global": "furniture", "local": "15-wall_in front of,s"},
        "answer": dice.choice(WORDS),
        "semanticStr": "select: wall (1)->filter color: white [0]->relate: table,in front of,s [1]->query: name [2]",
        "annotations": {"answer": {"0": "17"}, "question": {"6:9": "17", "15:17": "16"}, "fullAnswer": {"6": "17"}},
        "types": {"detailed": "categoryRelS", "semantic": "rel", "structural": "query"},
        "fullAnswer": "The piece of furniture is a couch.",
    }


def write_joined(file, texts: Iterable[str]) -> None:
    for index, text in enumerate(texts):
        file.write(f", {text}" if index else text)


if __name__ == "__main__":
    main()
