"""How the C library treats freed memory. No torch here."""

from __future__ import annotations

import ctypes
import platform

# Numbers of <malloc.h>.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Let this process keep what it frees for what it allocates next; where the C library is not glibc, do nothing.

    glibc gives large tensors back to the system, which clears them for the next step: on a CPU that is about 5 % of a
    step at T5-base's shapes (benchmarks/step_time.py). A process then stays as large as it was at its largest.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, -1)
    libc.mallopt(TOP_PAD, 256 * 2**20)
