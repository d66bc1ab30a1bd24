"""What takes long is made once, also for threads that ask at once."""

from __future__ import annotations

import threading

import pytest

from stylesync_engine.preparing.kept import Kept


def test_who_asks_for_what_is_being_made_waits_for_it() -> None:
    kept, made, asked, go = Kept[int](2), list[int](), threading.Event(), threading.Event()

    def make() -> int:
        asked.set()
        go.wait()
        made.append(1)
        return 7

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(kept.find("a", make))) for _ in "12"]
    threads[0].start()
    asked.wait()
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert (found, made) == ([7, 7], [1])


def test_what_could_not_be_made_is_made_by_the_next_and_the_oldest_goes() -> None:
    kept = Kept[int](2)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.find("a", fail)
    assert [kept.find(key, lambda: 1) for key in "abc"] == [1, 1, 1]
    assert kept.find("b", lambda: 2) == 1
    assert kept.find("a", lambda: 2) == 2
