"""Stage 1 on people whom it has never seen: references, swaps, and the table of the folds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from model_fixtures import make_face_model
from numpy.typing import NDArray
from stylesync_training.data.dataset import TrainingClip
from stylesync_training.fitting.lip_motion import lip_basis
from stylesync_training.measures.fold_report import describe_table, draw_ratios, table_of
from stylesync_training.measures.leave_one_out import (
    VARIANTS,
    StaticMixing,
    compare_swap,
    measure,
    reference_for,
    train_fold,
    with_rest,
)
from training_material import TINY_LIPS, make_clip

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.lip_motion import LipMotionNetwork
from stylesync_engine.request import RequestError
from stylesync_engine.speech.kernel_ridge import ClosedFormSettings
from stylesync_engine.speech.style import NetworkReading, StyleReference


def test_references_never_come_from_the_clip_itself() -> None:
    clips = [make_clip("a", str(i), 30, i) for i in range(3)]
    for length in (16, 48):
        reference = reference_for(clips[0], clips, length)
        assert reference is not None
        assert len(reference.motion) == length
        own = clips[0].beta[:, :MOUTH]
        assert not (reference.motion[:, None] == own[None]).all(axis=-1).any()
    assert reference_for(clips[0], clips, 0) is None
    with pytest.raises(RequestError, match="single clip"):
        reference_for(clips[0], clips[:1], 16)


def test_a_fold_goes_on_with_the_network_that_it_kept(tmp_path: Path) -> None:
    clips = [make_clip(speaker, str(i), 30, i) for speaker in "ab" for i in range(2)]
    words = (VARIANTS["network"], clips, make_face_model(), ["b"], 1, TINY_LIPS, tmp_path)
    first = train_fold(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["b-1-audio-aware.safetensors"]
    again = train_fold(*words)
    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_swapped_reference_moves_the_lips_towards_its_owner() -> None:
    """One opens the mouth wide, the other hardly: each result has its reference's manner."""

    class Copying:
        def predict(self, speech: object, reference: StyleReference | None) -> NDArray[np.float32]:
            assert reference is not None
            return reference.motion

    def clip(speaker: str, name: str, size: float, seed: int) -> TrainingClip:
        made = make_clip(speaker, name, 30, seed)
        return dataclasses.replace(made, beta=made.beta * size)

    wide = [clip("a", str(i), 2.0, i) for i in range(3)]
    small = [clip("b", str(i), 0.1, i) for i in range(3)]
    basis = lip_basis(make_face_model())
    made = [Copying().predict(c.speech, reference_for(c, wide, 30)) for c in wide]
    swap = compare_swap(Copying(), made, wide, small, 30, basis)
    assert swap["nearer_owner"] == 1.0
    assert swap["apart"] > 0
    with_itself = compare_swap(Copying(), made, wide, wide, 30, basis)
    assert with_itself["apart"] == pytest.approx(0)
    assert with_itself["nearer_owner"] == with_itself["nearer_truth"] == 0.0


def test_a_static_style_mixes_all_sounds_alike() -> None:
    """It finds a person's gain and rest, which are the same for every sound."""
    torch.manual_seed(0)
    network = LipMotionNetwork(dataclasses.replace(TINY_LIPS.sizes, reference="none")).eval()
    plain = NetworkReading(network)
    speech = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    said = plain.predict(speech, None)
    own = StyleReference(speech, 1.5 * said + 0.2)
    got = StaticMixing(plain, rest=0.0, ridge=1e-6).predict(speech, own)
    np.testing.assert_allclose(got, own.motion, atol=1e-3)
    np.testing.assert_array_equal(StaticMixing(plain, 0.0).predict(speech, None), said)


def test_table_three_averages_seeds_first_and_speakers_then() -> None:
    def row(variant: str, seed: int, **errors: float) -> dict[str, object]:
        return {"variant": variant, "n": 0, "reference": "own", "seed": seed, "errors": errors}

    rows = [row("no reference", 0, a=1.0, b=3.0), row("no reference", 1, a=1.0, b=5.0)]
    rows += [row("closed form", 0, a=0.5, b=3.0), row("closed form", 1, a=0.7, b=5.0)]
    plain, closed = table_of(rows)
    assert plain["error"] == pytest.approx((1 + 4) / 2)
    assert plain["±"] == pytest.approx(np.std([1, 4], ddof=1) / np.sqrt(2))
    assert plain["ratio"] == pytest.approx(1)
    assert closed["ratio"] == pytest.approx((0.6 + 1.0) / 2)
    assert json.dumps(closed)


def test_the_table_of_ratios_is_drawn_and_explained(tmp_path: Path) -> None:
    row = {"variant": "closed form", "n": 64, "reference": "own", "ratio": 0.9, "ratio ±": None}
    draw_ratios([row, {**row, "variant": "network", "ratio ±": 0.05}], tmp_path / "a.png")
    drawn = cv2.imread(str(tmp_path / "a.png"))
    assert drawn.std() > 10
    draw_ratios([{"variant": "network", "n": 64, "reference": "own"}], tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()
    assert "- Left out together: a, b; c." in describe_table([("a", "b"), ("c",)])


def test_a_shot_s_rest_is_added_as_a_dub_does() -> None:
    """Lips that are off by the same everywhere come right but for how little a clip is believed."""
    clip, face_model = make_clip("a", "0", 60, 0), make_face_model()
    true = clip.beta[:, :MOUTH]
    offset = np.linspace(-0.5, 0.5, MOUTH, dtype=np.float32)
    got = with_rest(true + offset, clip, face_model)
    assert np.abs((got - true).mean(axis=0) @ face_model.opening()) < 0.5 * np.abs(
        offset @ face_model.opening()
    )
    assert np.abs(got - true).mean() < 0.3 * np.abs(offset).mean()
    names = ["no reference", "no reference + rest", "closed form + rest"]
    network = LipMotionNetwork(dataclasses.replace(TINY_LIPS.sizes, reference="none")).eval()
    clips = [make_clip(speaker, str(i), 60, i) for speaker in "ab" for i in range(3)]
    plain, rested, closed = (
        measure(VARIANTS[name], network, clips, face_model, ["a"], ClosedFormSettings())
        for name in names
    )
    assert rested[0]["errors"]["a"] < plain[0]["errors"]["a"]
    assert [row["n"] for row in closed] == [64, 128, 256]
