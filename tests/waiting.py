"""Wait for what other processes do, with an end to the patience."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def until(holds: Callable[[], object], seconds: float = 90, running: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until `holds()`; fails after so many seconds, or at once where `running` has ended."""
    end = time.monotonic() + seconds
    while not holds():
        assert running is None or running.poll() is None, running.communicate()
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
