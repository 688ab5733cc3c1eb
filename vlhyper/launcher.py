"""Processes that torchrun or accelerate started: they end when their launcher is gone."""

from __future__ import annotations

import os
import sys
import threading
import time

# Seconds between two looks at who the parent is.
EVERY = 1.0


def launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def end_with_launcher() -> None:
    """End this process soon after its launcher was killed: an orphan would go on writing where the next run writes."""
    if launched() and not any(thread.name == "launcher" for thread in threading.enumerate()):
        threading.Thread(target=_watch, args=(os.getppid(),), name="launcher", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(EVERY)
    print("vlhyper: the launcher of this process is gone; it ends too", file=sys.stderr, flush=True)
    # Not sys.exit: the main thread may wait for a rank that is gone as well.
    os._exit(1)
