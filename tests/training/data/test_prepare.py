"""Preparing clips whose sound is late: it is moved to the lips before anything is learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stylesync_training.data import prepare
from stylesync_training.data.corpora import SourceClip
from stylesync_training.data.dataset import read_clip


def test_sound_is_moved_by_samples() -> None:
    ramp = np.arange(1, 32001, dtype=np.float32)
    np.testing.assert_array_equal(prepare._earlier(ramp, 0.1)[:-1600], ramp[1600:])
    np.testing.assert_array_equal(prepare._earlier(ramp, -0.1)[1600:], ramp[:-1600])
    assert len(prepare._earlier(ramp, 5.0)) == len(ramp)


def test_late_sound_of_a_clip_is_in_time_when_prepared(
    grid: Callable[[str], Path], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = SourceClip("s33", "bbac3a", grid("s33/bbac3a"))  # its sound is 7 frames late
    face_model = root / "stylesync_engine" / "weights" / "starter" / "face_model.safetensors"
    prepare.track_clips([clip], tmp_path / "tracks", workers=1)
    reader = prepare._lip_reader()

    def lateness() -> float:
        name = reader.front_end.name
        prepare._cut(
            clip,
            clip.under(tmp_path / "tracks"),
            tmp_path / "cut.safetensors",
            face_model,
            name,
            None,
        )
        made = read_clip(tmp_path / "cut.safetensors", pictures=False)
        motion, usable = made.beta[:, :13], np.ones(len(made.beta), bool)
        return reader.measure(reader.expect(made.speech), motion, usable).seconds

    assert abs(lateness()) < 0.04
    monkeypatch.setattr(prepare, "_lateness", lambda *_: 0.0)
    assert lateness() == pytest.approx(0.28, abs=0.06)
