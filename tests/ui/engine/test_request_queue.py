"""Small requests to the engine go in order."""

from __future__ import annotations

from stylesync_ui.engine.request_queue import FACTS, THUMBNAIL, VIEWER, QueuedRequest, RequestQueue


def request(key: str, urgency: int) -> QueuedRequest:
    return QueuedRequest((key,), urgency, "facts", {}, lambda _: None)


def test_requests_go_by_urgency_then_latest_first_and_once() -> None:
    requests = RequestQueue(most=2)
    assert requests.add(request("old", THUMBNAIL))
    assert requests.add(request("new", THUMBNAIL))
    assert requests.add(request("facts", FACTS))
    assert requests.add(request("viewer", VIEWER))
    assert not requests.add(request("old", THUMBNAIL))
    first, second = requests.take(), requests.take()
    assert first is not None
    assert second is not None
    assert [first.key, second.key] == [("viewer",), ("facts",)]
    assert requests.take() is None
    requests.lose_all()
    requests.forget(THUMBNAIL)
    assert len(requests) == 2
