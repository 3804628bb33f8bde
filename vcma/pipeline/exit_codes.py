"""Map errors to exit codes: the one place where an exception becomes a message for the user."""

from __future__ import annotations

import _thread
import ctypes
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
    "Exit codes: 0 success; 1 an input, artifact or machine that cannot be used (one line states what, where and "
    "the remedy), or unusable items found by vcma check; 2 wrong usage; 130 Ctrl-C; 143 SIGTERM."
)

# Errors of the operating system that can occur anywhere and are not bugs of this program.
_REFUSALS = (
    *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN"),
    *("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ESTALE"),
)
_REFUSED = {getattr(errno, name) for name in _REFUSALS}
# Signals that end the program, with their default handlers.
_DEFAULT_HANDLERS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h: the signal that a process gets when its parent dies
_RETRY = 0.02  # s after which a signal whose exception was swallowed is sent again


class _StoppedError(KeyboardInterrupt):
    """Ctrl-C or SIGTERM as an exception: unwinds the stack, so that partial files are removed and workers ended.

    A signal handler may run anywhere, and some code swallows its exception: Python drops exceptions in destructors
    and in callbacks of weak references, and a library may have a bare `except`. The program would then continue as
    if there had been no signal. Therefore an exception that is destroyed before it reaches `exit_on_error` sends
    its signal again, unless another such exception is alive: clean-up is then in progress and must not be
    interrupted.
    """

    def __init__(self, number: signal.Signals):
        super().__init__(number.name)
        self.number = number
        self.arrived = False
        _ALIVE.add(self)

    def __del__(self) -> None:
        # Sent immediately, the signal would be handled in this destructor and dropped again. Use a low-level
        # thread: `threading` takes locks, which the interrupted code may hold.
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
    """Context manager that ends the program with one line on stderr for errors that are not bugs of this program.

    InputError, lack of memory and refusals of the operating system: exit code 1. Ctrl-C and SIGTERM: 128 + signal.
    Any other exception propagates. If nested, the outermost one handles the signals. A stage that DVC runs ends
    with DVC.
    """

    def __enter__(self) -> None:
        self._minded = [n for n, default in _DEFAULT_HANDLERS.items() if signal.getsignal(n) is default]
        self._report = sys.unraisablehook
        if self._minded:
            sys.unraisablehook = partial(_report_others, self._report)
            _end_with_dvc()
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
            error = InputError(f"system error: {error.strerror}", error.filename, "resolve it, then run again")
        if isinstance(error, MemoryError):
            error = InputError("not enough memory", remedy="run with fewer --jobs, or on a larger machine")
        if isinstance(error, InputError):
            click.echo(f"error: {error}", err=True)
            sys.exit(1)


def _end_with_dvc() -> None:
    """Have Linux send SIGTERM when DVC dies, if that started this process: else its stage would stay at work."""
    if "DVC_STAGE" in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _report_others(report: Callable, unraisable: Any) -> None:
    """Report an exception that Python drops, unless it is a `_StoppedError`, whose signal is sent again."""
    if not issubclass(unraisable.exc_type, _StoppedError):
        report(unraisable)


def _mark_arrived(error: BaseException | None) -> None:
    """Mark a `_StoppedError` that reached `exit_on_error`, also as the context of another error, as handled."""
    while error is not None:
        if isinstance(error, _StoppedError):
            error.arrived = True
        error = error.__context__
