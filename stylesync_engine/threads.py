"""Threads whose end is noticed, also where there is no memory to tell of it.

`threading.Thread.start` waits forever for a thread that had no memory to begin with (CPython's
issue 140746), and a future of `ThreadPoolExecutor` for one that had none to keep what it made.
"""

from __future__ import annotations

import _thread
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

R = TypeVar("R")

LOOK: Final = 0.05  # s between two looks whether a thread still runs
IMPORTS: Final = threading.RLock()
"""Held where modules are imported while other threads may: of two that import libraries whose
modules need each other, one is given halves of them (diffusers and SciPy are such)."""
_GONE: Final = "a thread ended without a word"


class WatchedThread:
    """A thread that runs `work`, which should raise nothing, from now on. It does not keep the
    process from ending."""

    def __init__(self, work: Callable[[], object]) -> None:
        held = _Held()  # by the thread's start alone, until it has ended in whatever way
        self._held, self._ended = weakref.ref(held), threading.Lock()
        self._ended.acquire()
        _thread.start_new_thread(_run, (work, self._ended, held))

    @property
    def runs(self) -> bool:
        return self._held() is not None

    def wait(self, timeout: float | None = None) -> bool:
        """Until it has ended, or for so many seconds; whether it has."""
        left = timeout
        while self.runs and (left is None or left > 0):
            look = LOOK if left is None else min(LOOK, left)
            if self._ended.acquire(timeout=look):
                return True
            left = left and left - look
        return not self.runs


class _Held:
    """What lives as long as a thread does."""


def _run(work: Callable[[], object], ended: threading.Lock, held: _Held) -> None:
    del held  # CPython's own hold lasts until the thread ends; an error's frames hold on beyond it
    try:
        work()
    finally:
        ended.release()


class Call(Generic[R]):
    """A call that a thread makes; `result` waits for what it gave or raised."""

    def __init__(self, work: Callable[[], R], threads: list[WatchedThread]) -> None:
        self._work, self._threads = work, threads
        self._done = threading.Lock()
        self._done.acquire()
        self._error: BaseException | None = None
        self._value: list[R] = []

    def run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:
            self._error = error
        finally:
            self._done.release()

    def result(self) -> R:
        """Raises MemoryError where one of the threads has ended before its time."""
        while not self._done.acquire(timeout=LOOK):
            if not all(thread.runs for thread in self._threads):
                raise MemoryError(_GONE)
        self._done.release()
        if self._error is not None:
            raise self._error
        return self._value[0]


class Workers:
    """Some threads that make calls, first come first served. At the end of the block what was
    asked for is finished; what still waits is left out where the block raises."""

    def __init__(self, number: int, begin: Callable[[], object] = lambda: None) -> None:
        self._number, self._begin = number, begin  # what each thread does first
        self._calls: SimpleQueue[Call[object] | None] = SimpleQueue()
        self._threads: list[WatchedThread] = []
        self._left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left = kind is not None
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.wait()

    def submit(self, work: Callable[[], R]) -> Call[R]:
        """Have it called; raises RuntimeError where no thread can be had."""
        call = Call(work, self._threads)
        if len(self._threads) < self._number:
            self._threads.append(WatchedThread(self._serve))
        self._calls.put(call)  # type: ignore[arg-type]
        return call

    def _serve(self) -> None:
        self._begin()
        while (call := self._calls.get()) is not None:
            if not self._left:
                call.run()
            del call  # and what it holds, before the next comes
