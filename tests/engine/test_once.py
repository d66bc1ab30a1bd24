"""What a dub asks once is asked once: the request, consent and signer, and the plan's bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from test_resume import ask

from stylesync_engine import dubbing
from stylesync_engine.origin import consent, signers, studio
from stylesync_engine.plan import plan
from stylesync_engine.preparing import checks
from stylesync_engine.request import DubRequest, FrameRange
from stylesync_engine.weights.loading import Models


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each of these functions is called."""
    found: Counter[str] = Counter()

    def count(module: Any, name: str, *others: Any) -> None:
        before: Callable[..., Any] = getattr(module, name)

        def counted(*args: Any, **words: Any) -> Any:
            found[name] += 1
            return before(*args, **words)

        for place in (module, *others):
            monkeypatch.setattr(place, name, counted)

    count(checks, "check_request", dubbing)
    count(checks, "check_output")
    count(checks, "choose_signer")
    count(consent, "read_consent")
    count(consent, "read_studio", signers, studio)
    hash_of = plan.hash_tensors

    def whole(tensors: Iterable[tuple[str, Any]]) -> str:
        """Counts the whole plan's hash; each window's name is one of some rows."""
        held = dict(tensors)
        found["hash_tensors"] += "shown" in held
        return hash_of(held.items())

    monkeypatch.setattr(plan, "hash_tensors", whole)
    return found


def with_consent(request: DubRequest, folder: Path) -> DubRequest:
    from dataclasses import replace

    record = folder / "consent.json"
    record.write_text(
        '{"format": 1, "person": "Ada", "purpose": "a test", "until": "2999-01-01"}', "utf-8"
    )
    return replace(request, consent=str(record), frames=FrameRange(0, 20))


def test_a_dub_asks_once(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path, calls: Counter[str]
) -> None:
    request = with_consent(ask(talking, other_speech, tmp_path, "draft"), tmp_path)
    once = ("check_request", "check_output", "choose_signer", "read_consent", "hash_tensors")
    dubbing.dub(request, models)  # a plan is written
    assert {name: calls[name] for name in once} == dict.fromkeys(once, 1)
    calls.clear()
    dubbing.dub(request, models)  # the plan is read
    assert {name: calls[name] for name in once} == dict.fromkeys(once, 1)
