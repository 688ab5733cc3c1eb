"""What kills a decoding process. Apart from the other cases: these processes import it, and need not wait for torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn


class Deadly(type(Path())):
    """The path of an image that kills the process that looks at it, by the signal that is its stem (0: it exits)."""

    def stat(self, **_: object) -> NoReturn:
        if number := int(self.stem):
            os.kill(os.getpid(), number)
        os._exit(3)


def exits_at_once(*_: object) -> NoReturn:
    os._exit(4)
