"""Times of things that take turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from vlhyper.console import tracked

Name = TypeVar("Name", bound=Hashable)
# Does its work once and says how many seconds that took.
Turn = Callable[[], float]


def timed(work: Callable[[], object], threads: int) -> Turn:
    """The work with its time: the process's own CPU time at one thread, else wall-clock time."""
    clock = time.process_time if threads == 1 else time.perf_counter

    def turn() -> float:
        began = clock()
        work()
        return clock() - began

    return turn


def medians(turns: Mapping[Name, Turn], rounds: int) -> dict[Name, float]:
    """Median seconds of each, over so many rounds after a first one that allocates."""
    taken: dict[Name, list[float]] = {name: [] for name in turns}
    for number in tracked(range(rounds + 1), "rounds"):
        for name, turn in turns.items():
            spent = turn()
            if number:
                taken[name].append(spent)
    return {name: statistics.median(values) for name, values in taken.items()}
