"""The journal of an unfinished feature file: the finished images, and the lock against a second process."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vlhyper.console import say
from vlhyper.errors import UserError


class Journal:
    """`OUT.journal`: one JSON object per line, of which this process has `OUT.journal.lock` while it is open."""

    def __init__(self, out: Path) -> None:
        self.path = out.with_name(out.name + ".journal")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A lock of its own file: Windows forbids others even to read a file that is locked.
        self.lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"{out}: another process is writing this file; wait for it or choose another --out"
            ) from None
        except (OSError, NotImplementedError) as error:
            # NFS and Lustre may have no locks. Nothing of the writing needs one, unless two processes write one file.
            why = getattr(error, "strerror", None) or error
            say(f"{out}: this file system has no locks ({why}); do not start a second process on this file")
        try:
            # Unbuffered: a line is in the file when `append` returns. Windows' text mode would change line ends.
            self.file = self.path.open("ab", buffering=0)
        except BaseException:
            self.lock.release()
            raise

    def entries(self) -> list[Any]:
        """The complete lines; an incomplete last line, left by a kill, is removed."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        self.file.truncate(len(whole))
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except (ValueError, RecursionError):
            raise UserError(
                f"{self.path}: damaged; delete it and the .part file beside it, and run the same command again"
            ) from None

    def append(self, entry: Any) -> None:
        line = (json.dumps(entry) + "\n").encode()
        size = os.fstat(self.file.fileno()).st_size
        try:
            written = self.file.write(line)
            if written is not None and written < len(line):
                # The disk became full within the line: writing the rest raises the error that says so.
                self.file.write(line[written:])
        except OSError:
            self.file.truncate(size)
            raise

    def clear(self) -> None:
        self.file.truncate(0)

    def remove(self) -> None:
        """Remove the journal of a finished file, while it is locked, so that no process continues from it."""
        self.file.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        self.file.close()
        if not self.path.exists():
            # Nothing is left to protect. Who waits for the lock sees that its file is gone; Windows removes it later.
            with contextlib.suppress(OSError):
                Path(self.lock.lock_file).unlink()
        self.lock.release()
