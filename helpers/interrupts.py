"""Ctrl-C and the interrupts of a kernel, noted, so that none is lost and a step can be finished."""

from __future__ import annotations

import signal
import threading


class Interrupts:
    """While it is in force, these signals are only noted, so that a step can be finished and saved; the second time one acts.

    at_once: the first raises KeyboardInterrupt, too. That may come anywhere, also where nobody gets it: in a callback of weakref it is
    printed and forgotten, so look at `asked` all the same. asked: the signal that came, or None; in a thread that is not the main
    one none does.
    """

    def __init__(self, *signals: signal.Signals, at_once: bool = False) -> None:
        self.asked: int | None = None
        self._at_once = at_once
        self._signals = signals if threading.current_thread() is threading.main_thread() else ()

    def __enter__(self) -> Interrupts:
        self.before = {number: signal.signal(number, self._note) for number in self._signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: object) -> None:
        self.asked = number
        signal.signal(number, self.before[number])
        if self._at_once:
            raise KeyboardInterrupt
