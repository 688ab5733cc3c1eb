"""Decode images in worker processes while the model runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np

from feature_extraction.images import MOST_PIXELS, Decoded, decode
from vlhyper.console import say
from vlhyper.errors import JobError

# Small enough that several workers share one batch, large enough that the work of a task outweighs its message.
TASK = 8
# Not fork: the parent runs threads of torch, and a forked child would inherit their locks without the threads.
CONTEXT = multiprocessing.get_context("spawn")

Read = Callable[[Sequence[Path]], Decoded]


def decoded_batches(
    paths: Sequence[Path],
    batch_size: int,
    size: tuple[int, int],
    resample: str,
    workers: int,
    most_pixels: int = MOST_PIXELS,
) -> Generator[Decoded, None, None]:
    """Decode the images of `paths` in order, `batch_size` at a time; with 0 workers in this process.

    An image that crashes its decoding process counts as unreadable. Raises JobError where a process is killed from
    outside (out of memory), or no process can be started.
    """
    read = partial(decode, size=size, resample=resample, most_pixels=most_pixels)
    batches = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
    if workers == 0:
        yield from map(read, batches)
        return
    done = 0
    while done < len(batches):
        try:
            for batch in _pooled(batches[done:], read, workers):
                yield batch
                done += 1
        except BrokenProcessPool:
            say("a decoding process crashed; decoding the current images one by one to find the one that caused it")
            yield join(_one_by_one(batches[done], size, read))
            done += 1


def join(parts: Iterator[Decoded] | list[Decoded]) -> Decoded:
    pixels, whys = zip(*parts, strict=True)
    return np.concatenate(pixels), [why for some in whys for why in some]


def _pooled(batches: Sequence[Sequence[Path]], read: Read, workers: int) -> Generator[Decoded, None, None]:
    """Raises BrokenProcessPool where a process dies; the pool says neither which process nor why."""
    with ProcessPoolExecutor(workers, CONTEXT, initializer=_start_worker) as pool:
        try:
            yield from _ahead(pool, batches, read, workers)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ahead(
    pool: ProcessPoolExecutor, batches: Sequence[Sequence[Path]], read: Read, workers: int
) -> Generator[Decoded, None, None]:
    waiting: deque[list[Future[Decoded]]] = deque()
    upcoming = iter(batches)
    while True:
        while sum(map(len, waiting)) < 2 * workers + len(batches[0]) // TASK + 1 and (batch := next(upcoming, None)):
            tasks = [batch[start : start + TASK] for start in range(0, len(batch), TASK)]
            waiting.append([pool.submit(read, task) for task in tasks])
        if not waiting:
            return
        yield join([future.result() for future in waiting.popleft()])


def _one_by_one(paths: Sequence[Path], size: tuple[int, int], read: Read) -> Iterator[Decoded]:
    """Decode each of `paths` by itself in one process, and start a new process after each crash."""
    done = 0
    while done < len(paths):
        receiver, sender = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=_send_each, args=(sender, paths[done:], read), daemon=True)
        process.start()
        # The child must hold the only sending end, or the crash of the child would not be noticed.
        sender.close()
        started = False
        try:
            started = receiver.recv()
            for _ in paths[done:]:
                yield receiver.recv()
                done += 1
        # OSError where the process died while it sent a message.
        except (EOFError, OSError):
            process.join()
            yield np.zeros((1, *size, 3), np.uint8), [_death(paths[done], process.exitcode, started)]
            done += 1
        finally:
            receiver.close()
            process.terminate()
            process.join()


def _send_each(sender: Connection, paths: Sequence[Path], read: Read) -> None:
    _start_worker()
    sender.send(True)
    for path in paths:
        sender.send(read([path]))


def _death(path: Path, code: int | None, started: bool) -> str:
    """Why an image that crashed a process is skipped. Raises JobError where the image was not the cause."""
    if not started:
        raise JobError(f"cannot start a decoding process (exit code {code}); run the command with --workers 0")
    assert code is not None
    # Windows has no such signal, and no negative codes.
    if code == -getattr(signal, "SIGKILL", 0) != 0:
        raise JobError(
            f"{path}: the process that decoded it was killed, probably because memory ran out; free memory or remove "
            "the image, then run the same command again"
        )
    return f"its decoder crashed ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"


def _start_worker() -> None:
    # Ctrl-C is for the parent, which stops the workers. A killed parent cannot stop them, so they watch the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
