"""Prepared clips: how often each is drawn, and damaged files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from stylesync_training.data.dataset import (
    check_index,
    clip_weights,
    load_clips,
    write_index,
)
from training_material import make_clip

from stylesync_engine.request import ModelError


def test_speakers_with_many_clips_are_damped() -> None:
    clips = [make_clip("many", str(i)) for i in range(32)] + [make_clip("one", "0")]
    weights = clip_weights(clips)
    assert weights.sum() == pytest.approx(1)
    assert weights[:32].sum() / weights[32] == pytest.approx(32**0.4)


def test_a_damaged_clip_stops_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="broken"):
        load_clips(tmp_path)
    save_file({"x": np.zeros(1)}, tmp_path / "a" / "broken.safetensors")


def test_a_shard_of_another_size_stops_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("one", "two"):
        save_file({"beta": np.zeros((7, 20), np.float32)}, tmp_path / "a" / f"{name}.safetensors")
    write_index(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    assert [row["frames"] for row in index.values()] == [7, 7]
    check_index(tmp_path)
    (tmp_path / "a" / "two.safetensors").unlink()
    with pytest.raises(ModelError, match="two.safetensors has 0 bytes"):
        load_clips(tmp_path)
    check_index(tmp_path, ["b"])
