"""Nothing of the package needs what only POSIX systems have, but for guarded helpers."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Modules and names of modules that Windows lacks, or has with another meaning.
MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty"}
NAMES = {
    "os": {"pwrite", "pread", "fork", "forkpty", "O_DIRECTORY", "geteuid", "getuid", "killpg", "mkfifo", "setsid"},
    "signal": {"SIGKILL", "SIGHUP", "SIGQUIT", "alarm", "setitimer"},
    "mmap": {"PROT_READ", "PROT_WRITE", "MAP_SHARED"},
    "errno": {"EDQUOT"},
}
# The one is started on POSIX alone (processes.py), the other does its work without a fork where there is none.
GUARDED = {"vlhyper/metrics/java/janitor.py", "vlhyper/features/apart.py"}
FILES = sorted(path for folder in ("vlhyper", "feature_extraction") for path in (ROOT / folder).rglob("*.py"))


def posix_only(source: str) -> list[str]:
    """What a file imports or names that is not everywhere."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [str(node.module)] if node.module in MODULES else []
            found += [name.name for name in node.names if name.name in NAMES.get(node.module or "", ())]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [node.attr] if node.attr in NAMES.get(node.value.id, ()) else []
    return found


def test_no_file_needs_what_only_posix_has():
    found = {path.relative_to(ROOT).as_posix(): posix_only(path.read_text(encoding="utf-8")) for path in FILES}
    assert {name for name, what in found.items() if what} == GUARDED


@pytest.mark.parametrize("source", ["import fcntl", "from os import pwrite", "import os\nos.fork()"])
def test_such_a_file_is_found(source):
    assert posix_only(source)
