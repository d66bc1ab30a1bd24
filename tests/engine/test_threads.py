"""Threads whose end is noticed; a lack of memory is imitated where CPython meets it."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable

import pytest

from stylesync_engine.plan.pipeline import ahead, spread
from stylesync_engine.threads import LOOK, WatchedThread, Workers

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def threads_that_never_begin(monkeypatch):
    """As the system starts them and CPython has no memory for their first call."""
    monkeypatch.setattr(_thread, "start_new_thread", lambda work, words: 1)


def test_a_thread_runs_until_its_work_is_done():
    gate = threading.Event()
    thread = WatchedThread(gate.wait)
    assert thread.runs
    assert not thread.wait(2 * LOOK)
    gate.set()
    assert thread.wait()
    assert not until(lambda: not thread.runs)


def until(found: Callable[[], bool]) -> bool:
    """Whether it did not come in time."""
    end = time.monotonic() + 30
    while not found() and time.monotonic() < end:
        time.sleep(0.001)
    return not found()


def test_work_that_raises_ends_its_thread(monkeypatch):
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)
    thread = WatchedThread(lambda: 1 // 0)
    assert thread.wait(30)


@pytest.mark.usefixtures("threads_that_never_begin")
def test_who_waits_for_a_thread_that_never_began_is_told_of_a_lack_of_memory():
    assert WatchedThread(time.time).wait()
    with Workers(1) as workers:
        call = workers.submit(time.time)
        with pytest.raises(MemoryError):
            call.result()
    with pytest.raises(MemoryError):
        list(spread(abs, [1, 2, 3]))
    with pytest.raises(MemoryError):
        list(ahead([1, 2, 3]))


def test_who_waits_for_a_thread_that_died_at_work_is_told_of_a_lack_of_memory(monkeypatch):
    def die(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("sys.unraisablehook", lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr("stylesync_engine.threads.Call.run", die)
        with pytest.raises(MemoryError):
            list(spread(abs, [1, 2, 3], 2))
    monkeypatch.setattr("stylesync_engine.plan.pipeline._put", die)
    with pytest.raises(MemoryError):
        list(ahead([1, 2, 3]))


def test_workers_finish_what_was_asked_for_and_leave_it_where_the_block_raises():
    made: list[int] = []
    with Workers(1) as workers:
        calls = [workers.submit(lambda i=i: made.append(i) or i) for i in range(5)]  # type: ignore[misc]
    assert made == [call.result() for call in calls] == [0, 1, 2, 3, 4]
    begun, gate = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait()
        made.clear()

    def leave() -> None:
        with Workers(1) as workers:
            workers.submit(wait)
            workers.submit(lambda: made.append(9))
            begun.wait()
            threading.Timer(2 * LOOK, gate.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        leave()
    assert made == []
