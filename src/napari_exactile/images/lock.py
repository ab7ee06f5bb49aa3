"""One process at a time: a lock that its owner cannot leave behind, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO


class InUseError(ValueError):
    """Another process, or another run in this one, is using what was asked for."""


class Lock:
    """Holds a lock file until `release`, and says in it who does.

    The operating system lets go of the lock when the process ends, also when it is killed: a file that lies
    there proves nothing, a lock that is held means a process that is alive. Raises InUseError, with its
    number, where somebody else holds it.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")
        try:
            _hold(self._file)
        except OSError:
            owner = self._owner()
            self._file.close()
            raise InUseError(
                f"{path.parent.parent} is being written by {owner}: wait until it ends"
            ) from None
        self._file.truncate(0)
        self._file.write(b"%d" % os.getpid())
        self._file.flush()

    def _owner(self) -> str:
        self._file.seek(0)
        number = self._file.read(20).decode(errors="replace").strip()
        if number == str(os.getpid()):
            return "another run in this program"
        return f"process {number}" if number.isdigit() else "another process"

    def release(self) -> None:
        """Let others have it. May be called twice."""
        self._file.close()


if sys.platform == "win32":
    import msvcrt

    def _hold(file: IO[bytes]) -> None:
        # Locked bytes cannot be read by others on Windows: one far behind the number stands for the file.
        file.seek(2**20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _hold(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
