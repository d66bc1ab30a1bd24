"""Steps that run beside each other: threads with bounded queues, in order whatever their number.

Decoders, encoders, OpenCV, NumPy and PyTorch let other threads run while they compute. What comes
out, and its order, is that of the plain loop; only few items are in memory at a time.

Each worker computes with one thread: a sum that is split among threads has other last bits for
another number of them, and many small sums are split badly.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, Full, Queue
from typing import Any, Final, Generic, TypeVar

from threadpoolctl import threadpool_limits

from stylesync_engine.threads import LOOK, Call, WatchedThread, Workers

T = TypeVar("T")
R = TypeVar("R")

MOST_WORKERS: Final = 16
_KEPT: Final = 2**30  # bytes
_OF_GLIBC: Final = {-1: _KEPT, -3: _KEPT, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX
_UNDER_WAY: Final = 192 * 2**20  # bytes of pictures that more than two workers may have


def cores() -> int:
    """The processor's cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers_for(size: int) -> int:
    """How many workers there are for items of so many bytes: a core each, as far as what they have
    under way stays within some hundred MiB.

    So a dub's memory does not grow with its length, and with the cores up to a bound: at 2160p a
    frame of a draft takes 37 MiB while it is drawn, which four workers may, and 62 while it is
    converted, which two may; at 720x576 all of `MOST_WORKERS` stay within 40 MiB.
    """
    return min(cores(), MOST_WORKERS, max(2, _UNDER_WAY // max(size, 1) - 1))


class _Alone:
    """How many of the process' calls compute with one thread, and what was before."""

    lock = threading.Lock()
    calls = 0
    threads = 0
    limits: threadpool_limits | None = None


@functools.cache
def keep_memory() -> Any:
    """What pictures leave is used for the next ones, not given back to the system, which would
    clear it for each: a fifth of the time at 2160p. And there is one heap for all threads, so that
    none holds what another one needs. Returns glibc, which alone is told so, or None."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    for setting, value in _OF_GLIBC.items():
        getattr(library, "mallopt", lambda *_: 0)(setting, value)
    return library


def _give_back() -> None:
    """What is free again goes back to the system."""
    trim = getattr(keep_memory(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """PyTorch and NumPy compute with one thread, whoever calls them, while some call of the
    process is in here; a decorator too. Memory is kept as long (`keep_memory`)."""
    import torch

    keep_memory()
    with _Alone.lock:
        if not _Alone.calls:
            _Alone.threads = torch.get_num_threads()
            _Alone.limits = threadpool_limits(1, "blas")
            torch.set_num_threads(1)
        _Alone.calls += 1
    try:
        yield
    finally:
        with _Alone.lock:
            _Alone.calls -= 1
            if not _Alone.calls and _Alone.limits is not None:
                _Alone.limits.restore_original_limits()
                torch.set_num_threads(_Alone.threads)
                _give_back()


class Begun(Generic[T]):
    """The same items, made by another thread from now on; `room` of them may wait, or any number
    where there is no bound.

    What goes wrong there is raised here, in its place. Whoever stops taking stops the making.
    """

    def __init__(self, items: Iterable[T], room: int = 0) -> None:
        self._waiting: Queue[tuple[bool, T | BaseException | None]] = Queue(room)
        self._stopped = threading.Event()
        self._thread = WatchedThread(partial(_fill, items, self._waiting, self._stopped))

    def __iter__(self) -> Generator[T, None, None]:
        try:
            while True:
                is_item, value = self._take()
                if is_item:
                    yield value  # type: ignore[misc]
                elif value is None:
                    return
                else:
                    raise value  # type: ignore[misc]
        finally:
            self.stop()

    def stop(self) -> None:
        """Make no more; what is being made is waited for."""
        self._stopped.set()
        while self._thread.runs:
            with suppress(Empty):
                self._waiting.get(timeout=LOOK)

    def _take(self) -> tuple[bool, T | BaseException | None]:
        while True:
            with suppress(Empty):
                return self._waiting.get(timeout=LOOK)
            if not self._thread.runs and self._waiting.empty():
                raise MemoryError("the thread that makes the items ended without a word")


def ahead(items: Iterable[T], room: int = 2) -> Generator[T, None, None]:
    """The same items, made by another thread while the caller works: `Begun` with the first."""
    yield from Begun(items, room)


def _fill(
    items: Iterable[T],
    waiting: Queue[tuple[bool, T | BaseException | None]],
    stopped: threading.Event,
) -> None:
    take_number()
    end: BaseException | None = None
    iterator = iter(items)
    try:
        for item in iterator:
            if not _put(waiting, (True, item), stopped):
                break
    except BaseException as error:
        end = error
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
    _put(waiting, (False, end), stopped)


def _put(waiting: Queue[R], item: R, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=LOOK)
        except Full:
            continue
        return True
    return False


def take_number() -> None:
    """A thread that has asked PyTorch once computes with the process' number of threads. Before
    that is loaded, there is none."""
    ask = getattr(sys.modules.get("torch"), "get_num_threads", None)
    if ask is not None:
        ask()


def spread(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """`map`, by some threads at once; no more than one item a worker and one more are under way."""
    workers = workers or workers_for(0)
    under_way: deque[Call[R]] = deque()
    with Workers(workers, begin=take_number) as pool:
        for item in items:
            under_way.append(pool.submit(partial(work, item)))
            if len(under_way) > workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
