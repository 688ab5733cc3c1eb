"""The journal beside a feature file in the making: what is settled, and the lock that keeps a second process out."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError


class Journal:
    """`OUT.journal`: one JSON object a line, locked by this process as long as it is open."""

    def __init__(self, out: Path) -> None:
        self.path = out.with_name(out.name + ".journal")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The lock may be on a journal that its owner has just finished and removed.
            if not self.path.exists() or os.fstat(self.file).st_ino != self.path.stat().st_ino:
                raise BlockingIOError
        except BlockingIOError:
            os.close(self.file)
            raise UserError(
                f"{out}: another process is writing this file; wait for it or choose another --out"
            ) from None

    def entries(self) -> list[Any]:
        """The whole lines; a last line that a kill tore is cut off."""
        with self.path.open("rb") as file:
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        os.ftruncate(self.file, len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def append(self, entry: Any) -> None:
        line = (json.dumps(entry) + "\n").encode()
        size = os.fstat(self.file).st_size
        try:
            written = os.write(self.file, line)
            if written < len(line):
                # The disk filled up inside the line: write the rest, which raises and says so.
                os.write(self.file, line[written:])
        except OSError:
            os.ftruncate(self.file, size)
            raise

    def clear(self) -> None:
        os.ftruncate(self.file, 0)

    def remove(self) -> None:
        """The file is finished. Removed while it is locked, so that nobody takes over a dead journal."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        os.close(self.file)
