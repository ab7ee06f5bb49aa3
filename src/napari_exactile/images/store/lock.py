"""One process at a time: a lock that its owner cannot leave behind, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO


class InUseError(ValueError):
    """Another process, or another run in this one, is using what was asked for.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import napari_exactile as ex
    >>> with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    ...     held = Lock(Path(folder, "lock"))
    ...     try:
    ...         Lock(Path(folder, "lock"))
    ...     except ex.InUseError as error:
    ...         print(str(error).partition("is being ")[2])
    ...     held.release()
    written by another run in this program: wait until it ends
    """


class Lock:
    """Holds a lock file until `release`, and says in it who does.

    The operating system lets go of the lock when the process ends, also when it is killed: a file that lies
    there proves nothing, a lock that is held means a process that is alive. Raises InUseError, with its
    number, where somebody else holds it.

    Whoever is only `reading` shares the lock with other readers and keeps writers out. That changes nothing
    on the disk, and needs no right to: where there is no lock file, nobody has begun to write.
    """

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        self._file: IO[bytes] | None = None
        if reading and not path.exists():
            return
        self._file = file = path.open("rb" if reading else "a+b")
        try:
            _hold(file, shared=reading)
        except OSError:
            doing = self._doing(file)
            file.close()
            raise InUseError(f"{path.parent.parent} is being {doing}: wait until it ends") from None
        if not reading:
            file.truncate(0)
            file.write(b"%d" % os.getpid())
            file.flush()

    def _doing(self, file: IO[bytes]) -> str:
        """Return what others do who hold the lock: readers leave no number."""
        try:
            _hold(file, shared=True)
        except OSError:
            return f"written by {self._owner(file)}"
        return "verified"

    @staticmethod
    def _owner(file: IO[bytes]) -> str:
        file.seek(0)
        number = file.read(20).decode(errors="replace").strip()
        if number == str(os.getpid()):
            return "another run in this program"
        return f"process {number}" if number.isdigit() else "another process"

    @property
    def is_there(self) -> bool:
        """Whether the file that is held still has its name: nobody has removed it meanwhile."""
        if self._file is None or self._file.closed:
            return False
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._file.name))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let others have it. May be called twice."""
        if self._file is not None:
            self._file.close()


if sys.platform == "win32":
    import msvcrt

    def _hold(file: IO[bytes], shared: bool) -> None:
        # Locked bytes cannot be read by others on Windows: one far behind the number stands for the file.
        # Nor can they be shared there: a reader keeps out other readers, too.
        file.seek(2**20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _hold(file: IO[bytes], shared: bool) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
