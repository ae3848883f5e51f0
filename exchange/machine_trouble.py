"""Say what this machine lacks when a program's step fails for want of it.

Promise:
- An error of the operating system and a lack of memory are told in words, with a remedy. Others are not.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

_REMEDIES = {
    errno.EMFILE: "raise the limit of this process (ulimit -n)",
    errno.ENFILE: "end programs that you do not need",
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "your share of the disk is full: make room",
    errno.EFBIG: "the largest size of a file is reached: raise the limit (ulimit -f)",
    errno.EROFS: "the disk takes no writes: mount it writable, and look whether it is damaged",
    errno.EIO: "the disk cannot be read or written: look whether it is damaged",
    errno.EACCES: "make the file and its folder readable and writable to you",
    errno.EPERM: "make the file and its folder readable and writable to you",
    errno.ENOENT: "a file or its folder was removed: put it back",
}

_MEMORY = "end programs that you do not need, or raise the limit of this one"


class Shortage(NamedTuple):
    """What this machine has no more of, and what you can do."""

    said: str
    advice: str


def shortage(error: BaseException) -> Shortage | None:
    """What the error shows that this machine has no more of; None if nothing."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return Shortage("this machine has no memory left for the bot", _MEMORY)
    if number in (errno.EMFILE, errno.ENFILE):
        return Shortage("too many files and connections are open", _REMEDIES[number])
    return None


def machine_trouble(error: BaseException) -> str:
    """What the machine lacks or refuses, and what you can do.

    Empty if the error is of another kind."""
    lack = shortage(error)
    if lack is not None and not isinstance(error, OSError):
        return f"{lack.said[0].upper()}{lack.said[1:]}: {lack.advice}"
    if not isinstance(error, OSError):
        return ""
    remedy = lack.advice if lack else _REMEDIES.get(error.errno or 0, "look at that file, folder or connection")
    return f"This machine refused the bot something ({error}): {remedy}"
