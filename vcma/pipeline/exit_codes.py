"""Errors as exit codes: the one place where an error becomes a line for the user."""

from __future__ import annotations

import _thread
import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakSet

import click

from vcma.errors import InputError

EXIT_CODES = (
    "Exit codes: 0 done; 1 an input, artifact or machine that cannot be used (one line says what, where and what "
    "helps) or, of vcma check, something found that cannot; 2 wrong usage; 130 Ctrl-C, 143 SIGTERM."
)

# What the operating system may refuse anywhere, and is no bug of ours.
_REFUSALS = (
    *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN"),
    *("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ESTALE"),
)
_REFUSED = {getattr(errno, name) for name in _REFUSALS}
# Signals that end the program, and what they do where nobody has asked for anything else.
_DEFAULT_HANDLERS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
_RETRY = 0.02  # s until a signal whose exception was swallowed is sent again


class _StoppedError(KeyboardInterrupt):
    """Ctrl-C or SIGTERM: unwinds the stack, so that partial files are removed and workers ended.

    A signal's handler runs wherever the program is, and not everything lets an exception out: Python drops those of
    destructors and weak references' callbacks, a library may have a bare `except`. Then the program would go on as
    if nothing had been asked. So an exception that dies before `exit_on_error` has seen it sends its signal again,
    unless another one lives: while it is on its way, clean-up runs and is not to be disturbed.
    """

    def __init__(self, number: signal.Signals):
        super().__init__(number.name)
        self.number = number
        self.arrived = False
        _ALIVE.add(self)

    def __del__(self) -> None:
        # Sent at once, the signal would be handled in here and dropped again. A low-level thread, because one of
        # `threading` takes locks, which the code that was interrupted may hold.
        if not self.arrived and not sys.is_finalizing():
            _thread.start_new_thread(_send_later, (self.number,))


_ALIVE: WeakSet[_StoppedError] = WeakSet()


def _send_later(number: signal.Signals) -> None:
    time.sleep(_RETRY)
    if not len(_ALIVE):
        os.kill(os.getpid(), number)


def _stop(number: int, _: Any) -> None:
    raise _StoppedError(signal.Signals(number))


class exit_on_error:
    """`with exit_on_error():` ends the program with one line on stderr at what is not our bug.

    InputError and what the operating system refuses: exit code 1. Ctrl-C and SIGTERM: 128 + signal. Any other error
    passes through. Of one inside another the outer one minds the signals.
    """

    def __enter__(self) -> None:
        self._minded = [n for n, default in _DEFAULT_HANDLERS.items() if signal.getsignal(n) is default]
        self._report = sys.unraisablehook
        if self._minded:
            sys.unraisablehook = partial(_report_others, self._report)
        for number in self._minded:
            signal.signal(number, _stop)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        _mark_arrived(error)
        for number in self._minded:
            signal.signal(number, _DEFAULT_HANDLERS[number])
        sys.unraisablehook = self._report
        if isinstance(error, KeyboardInterrupt):
            number = error.number if isinstance(error, _StoppedError) else signal.SIGINT
            click.echo(f"error: stopped by {number.name}; nothing is left half-written", err=True)
            sys.exit(128 + number)
        if isinstance(error, OSError) and error.errno in _REFUSED:
            error = InputError(f"refused: {error.strerror}", error.filename, "mend that, then run again")
        if isinstance(error, MemoryError):
            error = InputError("not enough memory", remedy="run with fewer --jobs, or on a larger machine")
        if isinstance(error, InputError):
            click.echo(f"error: {error}", err=True)
            sys.exit(1)


def _report_others(report: Callable, unraisable: Any) -> None:
    """Report an exception that Python drops, unless it is a stop, which comes again."""
    if not issubclass(unraisable.exc_type, _StoppedError):
        report(unraisable)


def _mark_arrived(error: BaseException | None) -> None:
    """Let a stop rest that has come this far, be it as the cause of another error."""
    while error is not None:
        if isinstance(error, _StoppedError):
            error.arrived = True
        error = error.__context__
