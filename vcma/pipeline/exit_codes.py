"""Errors as exit codes: the one place where an error becomes a line for the user."""

from __future__ import annotations

import errno
import signal
import sys
from typing import Any

import click

from vcma.errors import InputError

# What the operating system may refuse anywhere, and is no bug of ours.
_REFUSALS = (
    *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN"),
    *("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ESTALE"),
)
_REFUSED = {getattr(errno, name) for name in _REFUSALS}


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, taken like Ctrl-C: unwinds the stack, so that a half-written partial file is removed."""


def _terminate(*_: Any) -> None:
    raise _TerminatedError


class exit_on_error:
    """`with exit_on_error():` ends the program with one line on stderr at what is not our bug.

    InputError and what the operating system refuses: exit code 1. Ctrl-C and SIGTERM: 128 + signal. Any other error
    passes through.
    """

    def __enter__(self) -> None:
        if hasattr(signal, "SIGTERM") and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminate)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            number = signal.SIGTERM if isinstance(error, _TerminatedError) else signal.SIGINT
            click.echo(f"error: stopped by {number.name}; nothing is left half-written", err=True)
            sys.exit(128 + number)
        if isinstance(error, OSError) and error.errno in _REFUSED:
            error = InputError(f"refused: {error.strerror}", error.filename, "mend that, then run again")
        if isinstance(error, MemoryError):
            error = InputError("not enough memory", remedy="run with fewer --jobs, or on a larger machine")
        if isinstance(error, InputError):
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
