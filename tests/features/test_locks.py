"""File systems without locks, such as NFS and Lustre."""

import errno
import os
import subprocess
import sys

import pytest
from feature_cases import META

from vlhyper.features import open_features

NO_LOCKS = """
#include <errno.h>
#include <stdlib.h>
int flock(int file, int operation) { errno = atoi(getenv("FAKE_ERRNO")); return -1; }
"""
WRITE = f"""
import sys
from pathlib import Path
import numpy as np
from vlhyper.features import FeatureWriter
with FeatureWriter(Path(sys.argv[1]), ["a"], {{"features": ((4, 8), "float16")}}, {META}) as writer:
    writer.settle(["a"], {{"features": np.ones((1, 4, 8), np.float16)}})
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A library that puts a file system without locks in the place of the real one."""
    folder = tmp_path_factory.mktemp("locks")
    (folder / "n.c").write_text(NO_LOCKS)
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "n.so", folder / "n.c"], check=True)
    except OSError:
        pytest.skip("there is no C compiler")
    return folder / "n.so"


def program(library, number, *words):
    env = {**os.environ, "LD_PRELOAD": str(library), "FAKE_ERRNO": str(number)}
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=120, env=env)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EAGAIN])
def test_a_feature_file_is_read_without_a_lock(tmp_path, make, library, number):
    """EAGAIN: another program holds the file open for writing."""
    make(tmp_path / "f.h5", ["a", "b"])
    done = program(library, number, "-m", "vlhyper", "inspect", tmp_path / "f.h5")
    assert done.returncode == 0 and "lock" not in done.stderr
    assert "RN101" in done.stdout and "ok" in done.stdout


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_feature_file_is_written_without_a_lock_and_this_is_said(tmp_path, library, number):
    done = program(library, number, "-c", WRITE, tmp_path / "f.h5")
    assert done.returncode == 0, done.stderr
    assert "f.h5: this file system has no locks (" in done.stderr and "second process" in done.stderr
    assert open_features(tmp_path / "f.h5").ids == ["a"]


def test_a_lock_that_is_held_is_no_missing_lock(tmp_path, library):
    done = program(library, errno.EAGAIN, "-c", WRITE, tmp_path / "f.h5")
    assert done.returncode == 1 and "another process is writing this file" in done.stderr
