"""Why a file cannot be used, in words for people, whatever library has tried to read it."""

from __future__ import annotations

import errno

# What of the system's errors people can do something about.
SYSTEM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "no more may be stored there: the quota is used up",
    errno.EROFS: "nothing can be written there",
    errno.EACCES: "access is denied",
    errno.EPERM: "access is denied",
    errno.ENOENT: "there is no such file or folder",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "it is a file, not a folder",
}
CUT_OFF = "it ends before its pixels do, as if it had been cut off; copy it again"
DAMAGED = "it is damaged, or was cut off; copy it again from where it came from"


class WhyError(ValueError):
    """Why a file cannot be used, in words of ours, that say what to do; they are told as they are."""


class FileRefusedError(ValueError):
    """The same with the file that it is about: nobody has anything to add."""


class UnreadError(OSError):
    """The same of pixels, while they are read."""


def why(error: Exception, otherwise: str = DAMAGED) -> str:
    """Return why a file cannot be used, without the words of the library that has stumbled over it.

    These stay in the chain of causes. `otherwise` is what is told where nothing better is known.

    >>> why(IndexError("list index out of range"))
    'it is damaged, or was cut off; copy it again from where it came from'
    >>> why(PermissionError(errno.EACCES, "Permission denied"))
    'access is denied'
    """
    if isinstance(error, WhyError | FileRefusedError | UnreadError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return SYSTEM.get(error.errno, (error.strerror or otherwise).lower())
    return "there is not enough memory" if isinstance(error, MemoryError) else otherwise
