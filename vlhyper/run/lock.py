"""A run folder has one writer at a time."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vlhyper.console import say
from vlhyper.errors import UserError
from vlhyper.files import write_json

LOCK, OWNER = ".lock", ".lock.json"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder, made if needed. Raises UserError that names the process which holds it.

    The system takes the lock from a process that ends, however it ends. On a file system without locks it says so and
    goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        told = f"another process is writing this run ({_owner(folder)}); wait for it, or stop it"
        raise UserError(f"{folder}: {told}") from None
    except (OSError, NotImplementedError) as error:
        say(f"{folder}: this file system has no locks ({error}); do not start a second process on this run folder")
        yield
        return
    try:
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        write_json(folder / OWNER, owner)
        yield
    finally:
        (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def _owner(folder: Path) -> str:
    try:
        found = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']}, since {found['since']}"
    except (OSError, ValueError, KeyError):
        return "its process is not known"
