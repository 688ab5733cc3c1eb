"""Work in a process of its own: HDF5 crashes, or goes on without end, on some damaged files.

Of random single bytes changed in small files one in a hundred does that: where a file has no checksums of its structure
(superblock 0 and 1, h5py's default), and in the heap of its texts, which never has any.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeVar

# Longer than any single read takes, from whatever disk.
PATIENCE = 60
Found = TypeVar("Found")


class Crash(Exception):
    """The process ended, or was stopped, before its work was done; why."""


def apart(work: Callable[[], Iterable[Found]], patience: int = PATIENCE) -> Iterator[Found]:
    """What `work` yields in a forked process, which may take `patience` seconds for each.

    Raises Crash, and what `work` raises. Where a system has no fork the work is done in this process.
    """
    if not hasattr(os, "fork"):
        yield from work()
        return
    receiver, sender = Pipe(duplex=False)
    with warnings.catch_warnings():
        # The child reads and sends, and needs no lock that another thread may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        receiver.close()
        _serve(work, sender, patience)
    sender.close()
    try:
        while (answer := _answer(receiver, child, patience)) is not None:
            yield answer[0]
    finally:
        receiver.close()
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _answer(receiver: Connection, child: int, patience: int) -> Any:
    """(what was found,), or None at the end."""
    try:
        answer = receiver.recv()
    except (EOFError, OSError):
        _, status = os.waitpid(child, 0)
        name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ended"
        raise Crash(f"does not end within {patience} s" if name == "SIGALRM" else f"crashes HDF5, {name}") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _serve(work: Callable[[], Iterable[Any]], sender: Connection, patience: int) -> NoReturn:
    try:
        faulthandler.disable()
        # The system ends the process, also where its parent is gone; within HDF5 no handler of Python would run.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(patience)
        for found in work():
            sender.send((found,))
            signal.alarm(patience)
        sender.send(None)
    except Exception as error:
        sender.send(error)
    finally:
        # Nothing of the parent's is flushed, closed or removed twice.
        os._exit(0)
