"""SPICE, by the program that pycocoevalcap brings, on any Java from 8 on.

Source: Anderson et al., "SPICE" (2016); coco-caption, spice.py. The jar asks for a JavaScript engine only to print its
result, and Java has none since 15: Rhino on the class path is one. The cache of parsed captions needs a few packages of
Java opened to it, and a native library; where that does not load, the scores are made without it and are the same.
`vlhyper setup spice` brings the parser (Stanford CoreNLP 3.6.0, 378 MB) and Rhino.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlhyper.console import say
from vlhyper.errors import JobError
from vlhyper.files import cache_folder
from vlhyper.metrics.java.processes import QUICK, Programs, Unavailable, package_folder

NEEDED = (
    "stanford-corenlp-3.6.0.jar",
    "stanford-corenlp-3.6.0-models.jar",
    "rhino-engine-1.7.15.jar",
    "rhino-1.7.15.jar",
)
# Room from the start for the parser's models: without it they are collected again and again while they are read.
ROOM = ("-XX:MetaspaceSize=128m", "-Xmn400m")
# Java's second compiler takes more time than it saves before this many images with five references each.
WORTH_COMPILING = 400
OPENED = ("lang", "math", "util", "util.concurrent", "text", "net", "io", "nio")
Tuples = Mapping[str, float]


@dataclass(frozen=True)
class SpiceResult:
    """SPICE of a corpus and of its captions, 0 to 1, and precision, recall and F of each by category.

    categories: for each caption {"All": {"pr", "re", "f"}, "Object": ..., and Relation, Attribute, Color, Size and
    Cardinality}; nan where neither caption nor references hold anything of the kind.
    """

    score: float
    scores: list[float]
    categories: list[dict[str, Tuples]]


def parser_folder() -> Path:
    """Where CoreNLP and Rhino lie: `$VLHYPER_CORENLP`, or where `vlhyper setup spice` puts them."""
    named = os.environ.get("VLHYPER_CORENLP")
    return Path(named) if named else cache_folder() / "corenlp-3.6.0"


def parser_jars() -> list[Path]:
    """The jars that pycocoevalcap does not bring. Raises Unavailable that names what is missing and the cure."""
    folder = parser_folder()
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise Unavailable(f"{folder} lacks {', '.join(missing)}; run: vlhyper setup spice (or set $VLHYPER_CORENLP)")
    return [folder / name for name in NEEDED]


def spice(
    captions: Sequence[str], references: Sequence[Sequence[str]], programs: Programs | None = None
) -> SpiceResult:
    """SPICE of PTB-tokenised captions against their references, both in step.

    Raises Unavailable where no Java is found or the parser is not installed.
    """
    if programs is None:
        with Programs() as own:
            return spice(captions, references, own)
    jars = parser_jars()
    given, out = programs.folder / "spice-in.json", programs.folder / "spice-out.json"
    rows = [
        {"image_id": row, "test": caption, "refs": list(texts)}
        for row, (caption, texts) in enumerate(zip(captions, references, strict=True))
    ]
    given.write_text(json.dumps(rows), encoding="ascii")
    _run(programs, ("-Xmx8G", *ROOM, *(QUICK if len(rows) < WORTH_COMPILING else ())), jars, given, out)
    found = {item["image_id"]: item["scores"] for item in json.loads(out.read_text(encoding="utf-8"))}
    if set(found) != set(range(len(rows))):
        raise JobError(f"SPICE gave {len(found)} scores for {len(rows)} captions")
    categories = [{name: _numbers(values) for name, values in found[row].items()} for row in range(len(rows))]
    scores = [category["All"]["f"] for category in categories]
    return SpiceResult(mean(scores), scores, categories)


def _numbers(values: Mapping[str, float | None]) -> Tuples:
    return {name: math.nan if value is None else float(value) for name, value in values.items()}


def mean(scores: Sequence[float]) -> float:
    """The mean as coco-caption takes it; the order of the scores decides its last digit."""
    import numpy as np

    return float(np.mean(np.array(scores)))


def _run(programs: Programs, options: Sequence[str], jars: Sequence[Path], given: Path, out: Path) -> None:
    """Run with the cache of parsed captions, and without it where that fails."""
    cache = cache_folder() / "spice-parses"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        programs.run(_command(programs, options, jars, given, out, cache))
    except (OSError, JobError) as error:
        if programs.closed:
            raise
        say(f"SPICE runs without its cache of parsed captions in {cache}: {error}")
        programs.run(_command(programs, options, jars, given, out, None))


def _command(
    programs: Programs, options: Sequence[str], jars: Sequence[Path], given: Path, out: Path, cache: Path | None
) -> list[str]:
    folder = package_folder("spice")
    opened = [part for name in OPENED for part in ("--add-opens", f"java.base/java.{name}=ALL-UNNAMED")]
    classpath = [folder / "spice-1.0.jar", *jars, *sorted((folder / "lib").glob("*.jar"))]
    arguments = [str(given), "-out", str(out), "-subset", "-silent"]
    return programs.java(
        [*options, *(opened if cache else [])],
        classpath,
        "edu.anu.spice.SpiceScorer",
        arguments + (["-cache", str(cache)] if cache else []),
    )
