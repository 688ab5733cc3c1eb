"""What a process keeps of the memory that it frees."""

import platform
import subprocess
import sys

import pytest

# Page faults of a second large array after a first one was freed.
FAULTS = """
import resource, sys
import numpy as np
from vlhyper.run.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(2**26, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_used_again_without_asking_the_system():
    found = {}
    for kind in ("given back", "kept"):
        done = subprocess.run([sys.executable, "-c", FAULTS, kind], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found[kind] = int(done.stdout)
    assert found["kept"] < 10 < found["given back"]
