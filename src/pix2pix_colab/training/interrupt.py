"""What can end a training from outside, and how it then ends: with a sentence."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def catch_interrupt() -> Iterator[threading.Event]:
    """A block in which Ctrl-C, or a notebook's stop button, only sets the event that is given; a second one interrupts.

    So a step can be finished and saved first. Outside the main thread, which alone gets signals, nothing is changed.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(*_) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
