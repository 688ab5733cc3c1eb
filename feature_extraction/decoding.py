"""Worker processes that decode ahead while the model runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from feature_extraction.images import Decoded, decode
from vlhyper.errors import JobError

# Small enough that several workers share one batch, large enough that a task costs more than its message.
TASK = 8


def decoded_batches(
    paths: Sequence[Path], batch_size: int, size: tuple[int, int], resample: str, workers: int
) -> Generator[Decoded, None, None]:
    """The images of `paths` in order, `batch_size` at a time; with no workers they are decoded here."""
    batches = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
    if workers == 0 or not batches:
        yield from (decode(batch, size, resample) for batch in batches)
        return
    # Not fork: the parent runs the threads of torch, which a forked child would inherit half-way.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker) as pool:
        try:
            yield from _ahead(pool, batches, size, resample, workers)
        except BrokenProcessPool:
            raise JobError(
                "a decoding process died, most likely of too little memory; run the command again with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ahead(
    pool: ProcessPoolExecutor, batches: Sequence[Sequence[Path]], size: tuple[int, int], resample: str, workers: int
) -> Generator[Decoded, None, None]:
    waiting: deque[list[Future[Decoded]]] = deque()
    upcoming = iter(batches)
    while True:
        while sum(map(len, waiting)) < 2 * workers + len(batches[0]) // TASK + 1 and (batch := next(upcoming, None)):
            tasks = [batch[start : start + TASK] for start in range(0, len(batch), TASK)]
            waiting.append([pool.submit(decode, task, size, resample) for task in tasks])
        if not waiting:
            return
        parts = [future.result() for future in waiting.popleft()]
        yield np.concatenate([pixels for pixels, _ in parts]), [why for _, whys in parts for why in whys]


def _start_worker() -> None:
    # Ctrl-C is for the parent, which stops the workers; and a parent that was killed can't stop them, so they watch it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
