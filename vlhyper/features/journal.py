"""The journal of an unfinished feature file: the finished images, and the lock against a second process."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from vlhyper.console import say
from vlhyper.errors import UserError


class Journal:
    """`OUT.journal`: one JSON object per line, locked by this process while it is open."""

    def __init__(self, out: Path) -> None:
        self.path = out.with_name(out.name + ".journal")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The locked journal may have been removed by its owner, which has just finished.
            if not self.path.exists() or os.fstat(self.file).st_ino != self.path.stat().st_ino:
                raise BlockingIOError
        except BlockingIOError:
            os.close(self.file)
            raise UserError(
                f"{out}: another process is writing this file; wait for it or choose another --out"
            ) from None
        except OSError as error:
            # NFS and Lustre may have no locks. Nothing of the writing needs one, unless two processes write one file.
            say(f"{out}: this file system has no locks ({error.strerror}); do not start a second process on this file")

    def entries(self) -> list[Any]:
        """The complete lines; an incomplete last line, left by a kill, is removed."""
        with self.path.open("rb") as file:
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        os.ftruncate(self.file, len(whole))
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except (ValueError, RecursionError):
            raise UserError(
                f"{self.path}: damaged; delete it and the .part file beside it, and run the same command again"
            ) from None

    def append(self, entry: Any) -> None:
        line = (json.dumps(entry) + "\n").encode()
        size = os.fstat(self.file).st_size
        try:
            written = os.write(self.file, line)
            if written < len(line):
                # The disk became full within the line: writing the rest raises the error that says so.
                os.write(self.file, line[written:])
        except OSError:
            os.ftruncate(self.file, size)
            raise

    def clear(self) -> None:
        os.ftruncate(self.file, 0)

    def remove(self) -> None:
        """Remove the journal of a finished file, while it is locked, so that no process continues from it."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        os.close(self.file)
