"""A small program that cleans up behind one that was killed: `python janitor.py FOLDER`, told of children by its input.

Lines `+PID` and `-PID` say which programs run. When the input ends, whoever wrote it is gone: what still runs is ended
and the folder removed. After an orderly end there is neither. It imports nothing of the package, so that it starts at
once.
"""

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    running: set[int] = set()
    for line in sys.stdin:
        change = running.add if line.startswith("+") else running.discard
        change(int(line[1:]))
    for process in running:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
