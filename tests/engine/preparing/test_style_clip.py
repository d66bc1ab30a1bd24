"""What a style clip must have to be read: speech, whose lips are not somebody else's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from model_fixtures import make_face_model
from numpy.typing import NDArray

from stylesync_engine.preparing.lips import _doubts, _speaks

Array = NDArray[np.float32]


def job_that_expects(opening: Array) -> Any:
    """Whose sound lets lips expect that open by `opening` `[T]` face heights."""
    face_model = make_face_model()
    rows = face_model.opening()
    motion = np.outer(opening, rows / (rows @ rows)).astype(np.float32)
    reader = SimpleNamespace(expect=lambda features: motion)
    return SimpleNamespace(lip_reader=reader, models=SimpleNamespace(face_model=face_model))


@pytest.mark.parametrize(("scatter", "speaks"), [(0.0, False), (0.0026, False), (0.009, True)])
def test_speech_is_what_lips_open_and_close_for(scatter: float, speaks: bool) -> None:
    """Music alone lets them open by .0026 face heights, whispering by .009."""
    opening = np.random.default_rng(0).normal(0.02, 1, size=500)
    opening = 0.02 + scatter * (opening - opening.mean()) / opening.std()
    assert _speaks(job_that_expects(opening.astype(np.float32)), np.zeros((500, 4))) is speaks


def test_a_mouth_held_open_says_nothing() -> None:
    assert not _speaks(job_that_expects(np.full(100, 0.05, np.float32)), np.zeros((100, 4)))


def test_silence_is_told_before_a_doubt() -> None:
    assert _doubts(spoken=True, doubted=False) == []
    for doubted in (False, True):
        (said,) = _doubts(spoken=False, doubted=doubted)
        assert said.startswith("No speech is heard in the style's sound")
        assert "give a clip in which the person speaks" in said
    (said,) = _doubts(spoken=True, doubted=True)
    assert "do not seem to make the style's sound" in said
    assert "--style-offset" in said
