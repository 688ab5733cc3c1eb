"""METEOR 1.5, by the program that pycocoevalcap brings, on several processes at once.

Source: Denkowski and Lavie (2014); coco-caption, meteor.py. The program turns each caption into a line of statistics,
and lines of statistics into scores, so the captions are dealt out to several processes and one of them scores all
lines: the score is that of one process. What each would read for seconds, the paraphrase table, is cut down before.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, pairwise

from vlhyper.errors import JobError
from vlhyper.metrics.java.processes import QUICK, Program, Programs, cores, package_folder, python_module

JAR = "meteor-1.5.jar"
ARGUMENTS = ("-", "-", "-stdio", "-l", "en", "-norm")
MEMORY = "-Xmx2G"
TABLE = "data/paraphrase-en.gz"
# A process takes a second to start, as long as it then takes for this many captions.
WORTH_A_PROCESS = 1500
# Java's second compiler takes more time than it saves before this many captions of a process.
WORTH_COMPILING = 8_000
SEPARATOR = " ||| "


@dataclass(frozen=True)
class MeteorResult:
    """METEOR of a corpus and of its captions, 0 to 1, and the line of statistics the program gave for each caption."""

    score: float
    scores: list[float]
    lines: list[str]

    def statistics(self) -> list[list[float]]:
        """23 numbers a caption, which add up over captions."""
        return [[float(number) for number in line.split()] for line in self.lines]


def meteor(
    captions: Sequence[str],
    references: Sequence[Sequence[str]],
    programs: Programs | None = None,
    done: Callable[[int], None] = lambda _: None,
    processes: int | None = None,
) -> MeteorResult:
    """METEOR of PTB-tokenised captions against their references, both in step.

    done: is called with a number of captions as they are finished. processes: at most so many (None: one a core).
    Raises Unavailable where no Java is found.
    """
    if programs is None:
        with Programs() as own:
            return meteor(captions, references, own, done, processes)
    lines = [_score_line(caption, texts) for caption, texts in zip(captions, references, strict=True)]
    shards = min(processes or cores(), 1 + len(lines) // WORTH_A_PROCESS)
    bounds = [len(lines) * shard // shards for shard in range(shards + 1)]
    options = (MEMORY, *(QUICK if len(lines) < shards * WORTH_COMPILING else ()))
    command = _command(captions, references, options, programs)
    started = [programs.start(command) for _ in range(shards)]
    with ThreadPoolExecutor(shards) as pool:
        parts = [lines[start:end] for start, end in pairwise(bounds)]
        jobs = [pool.submit(_ask, one, part, len(part), done) for one, part in zip(started, parts, strict=True)]
        found = [line for job in jobs for line in job.result()]
    answer = _ask(started[0], [SEPARATOR.join(["EVAL", *found])], len(lines) + 1)
    for program in started:
        programs.end(program)
    *scores, score = map(float, answer)
    return MeteorResult(score, scores, found)


def _score_line(caption: str, references: Sequence[str]) -> str:
    """The request for one caption, cleaned as coco-caption does; tokenised text holds no bar triples."""
    clean = [text.replace("|||", "") for text in references]
    return SEPARATOR.join(["SCORE", *clean, caption.replace("|||", "").replace("  ", " ")])


def _command(
    captions: Sequence[str], references: Sequence[Sequence[str]], options: Sequence[str], programs: Programs
) -> list[str]:
    """The command line of METEOR with a paraphrase table for these texts."""
    folder = package_folder("meteor")
    texts, table = programs.folder / "meteor-texts.txt", programs.folder / "paraphrases.gz"
    unique = dict.fromkeys(chain(captions, *references))
    texts.write_text("".join(f"{text.lower()}\n" for text in unique), encoding="utf-8", newline="\n")
    command = programs.java(options, [folder / JAR], "Meteor", (*ARGUMENTS, "-a", str(table)))
    programs.run(python_module("vlhyper.metrics.captions.paraphrases", str(folder / TABLE), str(texts), str(table)))
    return command


def _ask(
    program: Program, lines: Sequence[str], answers: int, done: Callable[[int], None] = lambda _: None
) -> list[str]:
    """Send requests and read the answers while they are still being sent, so that no pipe fills up."""
    writer = threading.Thread(target=_send, args=(program, lines), daemon=True)
    writer.start()
    assert program.process.stdout is not None
    found: list[str] = []
    for _ in range(answers):
        line = program.process.stdout.readline()
        if not line:
            raise JobError(f"METEOR ended after {len(found)} of {answers} answers: {program.last_words()}")
        found.append(line.decode().strip())
        done(1)
    writer.join()
    return found


def _send(program: Program, lines: Sequence[str]) -> None:
    assert program.process.stdin is not None
    # Where the program has ended the reader says why.
    with contextlib.suppress(OSError, ValueError):
        program.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        program.process.stdin.flush()
