"""Worker processes that decode ahead while the model runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np

from feature_extraction.images import Decoded, decode
from vlhyper.console import say
from vlhyper.errors import JobError

# Small enough that several workers share one batch, large enough that a task costs more than its message.
TASK = 8
# Not fork: the parent runs the threads of torch, which a forked child would inherit half-way.
CONTEXT = multiprocessing.get_context("spawn")


def decoded_batches(
    paths: Sequence[Path], batch_size: int, size: tuple[int, int], resample: str, workers: int
) -> Generator[Decoded, None, None]:
    """The images of `paths` in order, `batch_size` at a time; with no workers they are decoded here.

    An image that kills the process which decodes it counts as unreadable. Raises JobError where a process is killed
    from outside (too little memory), or none can be started.
    """
    batches = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
    if workers == 0:
        yield from (decode(batch, size, resample) for batch in batches)
        return
    done = 0
    while done < len(batches):
        try:
            for batch in _pooled(batches[done:], size, resample, workers):
                yield batch
                done += 1
        except BrokenProcessPool:
            say("a decoding process died; the images at hand are decoded one by one to find out which one did it")
            yield join(_one_by_one(batches[done], size, resample))
            done += 1


def join(parts: Iterator[Decoded] | list[Decoded]) -> Decoded:
    pixels, whys = zip(*parts, strict=True)
    return np.concatenate(pixels), [why for some in whys for why in some]


def _pooled(
    batches: Sequence[Sequence[Path]], size: tuple[int, int], resample: str, workers: int
) -> Generator[Decoded, None, None]:
    """Raises BrokenProcessPool where a process dies; the pool does not tell which, nor of what."""
    with ProcessPoolExecutor(workers, CONTEXT, initializer=_start_worker) as pool:
        try:
            yield from _ahead(pool, batches, size, resample, workers)
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
        yield join([future.result() for future in waiting.popleft()])


def _one_by_one(paths: Sequence[Path], size: tuple[int, int], resample: str) -> Iterator[Decoded]:
    """Each of `paths` by itself, in one process as long as it lives and in a new one after each death."""
    done = 0
    while done < len(paths):
        receiver, sender = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=_send_each, args=(sender, paths[done:], size, resample), daemon=True)
        process.start()
        # The child's end must be the only one, or its death would not be noticed.
        sender.close()
        started = False
        try:
            started = receiver.recv()
            for _ in paths[done:]:
                yield receiver.recv()
                done += 1
        # OSError where it died inside a message.
        except (EOFError, OSError):
            process.join()
            yield np.zeros((1, *size, 3), np.uint8), [_death(paths[done], process.exitcode, started)]
            done += 1
        finally:
            receiver.close()
            process.terminate()
            process.join()


def _send_each(sender: Connection, paths: Sequence[Path], size: tuple[int, int], resample: str) -> None:
    _start_worker()
    sender.send(True)
    for path in paths:
        sender.send(decode([path], size, resample))


def _death(path: Path, code: int | None, started: bool) -> str:
    """What is said of the image that a process died of. Raises JobError where it was not the image."""
    if not started:
        raise JobError(f"no decoding process can be started (exit code {code}); run the command with --workers 0")
    assert code is not None
    if code == -signal.SIGKILL:
        raise JobError(
            f"{path}: the process that decodes it was killed, most likely of too little memory; give it more, or take "
            "the image away, and run the same command again"
        )
    return f"its decoder died ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"


def _start_worker() -> None:
    # Ctrl-C is for the parent, which stops the workers; and a parent that was killed can't stop them, so they watch it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
