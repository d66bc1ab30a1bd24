"""What stage 1 draws, and the presets' settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stylesync_training.fitting.lip_motion import (
    draw_lip_batches,
    draw_reference,
    random_style,
)
from stylesync_training.fitting.presets import PRESETS, find_preset
from training_material import TINY_LIPS, make_clip

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.lip_motion import LipMotionNetwork
from stylesync_engine.request import RequestError


def test_a_style_can_be_taken_back() -> None:
    change, shift = random_style(np.random.default_rng(3))
    motion = np.random.default_rng(0).normal(size=(7, MOUTH)).astype(np.float32)
    styled = motion @ change + shift
    np.testing.assert_allclose((styled - shift) @ np.linalg.inv(change), motion, atol=1e-3)
    assert np.abs(styled - motion).mean() > 0.05


def test_a_batch_is_the_same_whenever_it_is_drawn() -> None:
    clips = [make_clip("a", str(i), 30, i) for i in range(3)]
    draw = draw_lip_batches(TINY_LIPS, clips)
    draw(0)
    again = draw_lip_batches(TINY_LIPS, clips)(4)
    torch.testing.assert_close(draw(4).motion, again.motion, rtol=0, atol=0)
    assert not torch.equal(draw(5).motion, again.motion)
    long = draw_reference(clips[:1], 100, np.random.default_rng(0))
    assert long.motion.shape == (100, MOUTH)


def test_some_frames_alone_are_those_of_all() -> None:
    torch.manual_seed(0)
    network = LipMotionNetwork(TINY_LIPS.sizes).eval()
    speech, motion = torch.randn(2, 30, 8), torch.randn(2, 12, MOUTH)
    memory = network.remember(torch.randn(2, 12, 8), motion)
    some = network(speech, memory, slice(1, None, 4))
    torch.testing.assert_close(some, network(speech, memory)[:, 1::4])


def test_presets_say_what_the_paper_says() -> None:
    paper = PRESETS["paper"]
    assert (paper.lip_motion.batch, paper.lip_motion.schedule.rate) == (256, 2e-4)
    assert (paper.lip_motion.reference, paper.lip_motion.frames) == (256, 64)
    assert (paper.renderer.batch, paper.renderer.sequence) == (12, 5)
    assert paper.renderer.schedule.rate == 4e-5
    assert paper.renderer.prediction == "epsilon"
    with pytest.raises(RequestError, match="tiny"):
        find_preset("huge")
