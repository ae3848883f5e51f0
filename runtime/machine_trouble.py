"""Say what this machine lacks when a program's step fails for want of it.

Promise:
- An error of the operating system and a lack of memory are told in words, with a remedy. Others are not.
"""

from __future__ import annotations

import errno

_REMEDIES = {
    errno.EMFILE: "this process may open no more files and connections: raise the limit (ulimit -n)",
    errno.ENFILE: "no program here may open more files and connections: end those that you do not need",
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "your share of the disk is full: make room",
    errno.EFBIG: "the largest size of a file is reached: raise the limit (ulimit -f)",
    errno.EROFS: "the disk takes no writes: mount it writable, and look whether it is damaged",
    errno.EIO: "the disk cannot be read or written: look whether it is damaged",
    errno.EACCES: "make the file and its folder readable and writable to you",
    errno.EPERM: "make the file and its folder readable and writable to you",
    errno.ENOENT: "a file or its folder was removed: put it back",
}

_MEMORY = "This machine has no memory left for the bot: end programs that you do not need, or raise its limit"


def machine_trouble(error: BaseException) -> str:
    """What the machine lacks, and what you can do.

    Empty if the error is of another kind."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return _MEMORY
    if not isinstance(error, OSError):
        return ""
    remedy = _REMEDIES.get(error.errno or 0, "look at that file, folder or connection")
    return f"This machine refused the bot something ({error}): {remedy}"
