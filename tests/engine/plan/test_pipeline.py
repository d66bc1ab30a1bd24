"""Steps beside each other give what the plain loop gives, with few items in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from stylesync_engine.plan.pipeline import Begun, ahead, cores, spread


def numbers(count: int, made: list[int]) -> Iterator[int]:
    try:
        for i in range(count):
            made.append(i)
            yield i
    finally:
        made.append(-1)


def test_ahead_gives_the_same_in_order_and_never_much_more():
    made: list[int] = []
    for i in ahead(numbers(50, made), room=2):
        assert max(made) <= i + 4  # the one in hand, two that wait, one that is being made
    assert made == [*range(50), -1]
    assert list(ahead([])) == []


def test_what_goes_wrong_is_raised_where_it_belongs():
    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    found = ahead(broken())
    assert next(found) == 1
    with pytest.raises(KeyError, match="two"):
        next(found)


def test_what_has_begun_is_made_before_anybody_asks():
    made: list[int] = []
    begun = Begun(numbers(5, made))
    while made != [*range(5), -1]:
        pass  # the test's own time limit ends it
    assert list(begun) == [*range(5)]
    endless = Begun(numbers(10**9, []), room=2)
    endless.stop()
    assert list(ahead([1])) == [1]


def test_whoever_stops_taking_stops_the_making():
    before, made = threading.active_count(), list[int]()
    found = ahead(numbers(10**9, made))
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert made[-1] == -1
    assert len(made) < 10
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_spread_is_map_in_order_with_a_bounded_number_under_way(workers):
    made: list[int] = []
    gate = threading.Semaphore(workers)
    taken = 0

    def square(i: int) -> int:
        assert gate.acquire(blocking=False)  # no more at once than there are workers
        try:
            return i * i
        finally:
            gate.release()

    for i, value in enumerate(spread(square, numbers(40, made), workers)):
        assert value == i * i
        taken += 1
        assert len([m for m in made if m >= 0]) <= taken + workers + 1
    assert taken == 40


def test_an_error_of_a_worker_comes_in_its_turn():
    values = spread(lambda i: 6 // (3 - i), range(9), 2)
    assert [next(values) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(values)


def test_there_is_a_core():
    assert cores() >= 1
