"""Interruption of a training by Ctrl-C or the stop button."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def catch_interrupt() -> Iterator[threading.Event]:
    """Context in which Ctrl-C, or a notebook's stop button, sets the event it yields; a second one interrupts.

    So the step can be finished and saved first. Only the main thread gets signals: in others nothing is changed. Nor is
    it where Ctrl-C is ignored, as a shell's script does for what it starts in the background.
    """
    interrupted = threading.Event()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(*_) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def press_stop(step: int) -> Callable[[object], None]:
    """Make a progress callback that sends the signal of the stop button at a step, to see that nothing is lost."""
    return lambda progress: signal.raise_signal(signal.SIGINT) if progress.step == step else None
