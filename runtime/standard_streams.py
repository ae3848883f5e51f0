"""Standard input, output and error that do not end the process.

Promise:
- A stream that is closed at the start becomes the null device. Otherwise the next file or socket that is opened
  would get its number, 0 to 2, and a later message would be written into that.
- After `secure`, a write to stdout or stderr raises nothing but `BlockingIOError`. Text that nothing takes is
  dropped, and `lost_output` tells why.
- The module runs on Python 3.8 too, without any package.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, TextIO

    _Wrapper = io.TextIOWrapper[BinaryIO]
else:
    _Wrapper = io.TextIOWrapper


def secure() -> None:
    """Make the standard streams usable in any process, however it was started.

    Call it before anything else opens a file: a closed number is given to the next file that is opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed, or a start without a console
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  (never closed)
    sys.stdout, sys.stderr = _unfailing(sys.stdout), _unfailing(sys.stderr)


def lost_output() -> str:
    """Why a part of stdout could not be written, such as "No space left on device".

    Returns "" if nothing is missing, or if its reader left, as `head` does."""
    with suppress(BlockingIOError):
        sys.stdout.flush()
    error = sys.stdout.error if isinstance(sys.stdout, _Output) else None
    return "" if error is None or _reader_left(error) else error.strerror or str(error)


def shows_questions() -> bool:
    """Whether stdout leads to a terminal, a file, or a pipe that is read."""
    with suppress(BlockingIOError):
        sys.stdout.flush()  # notices a reader that left
    try:
        number = sys.stdout.fileno()
        return os.isatty(number) or not stat.S_ISCHR(os.fstat(number).st_mode)  # not the null device
    except (OSError, ValueError):  # closed, or not of the operating system
        return False


class _Output(_Wrapper):
    """A text stream that turns to the null device at its first failed write.

    `error`: that failure, or None."""

    error: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            raise error
        self.error = self.error or error
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            super().flush()  # what is buffered would fail again at the process's end


def _unfailing(stream: TextIO) -> TextIO:
    """The same stream with writes that do not fail.

    A character that it cannot show becomes "?". A stream that is no file stays as it is."""
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, _Output):
        return stream
    encoding, at_lines, at_once = stream.encoding, stream.line_buffering, stream.write_through
    return _Output(stream.detach(), encoding, "replace", line_buffering=at_lines, write_through=at_once)


def _reader_left(error: OSError) -> bool:
    """Whether a pipe was closed at its other end: EINVAL on Windows."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
