"""What stage 1 draws, and the presets' settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_fixtures import make_face_model
from stylesync_training.fitting.lip_motion import (
    draw_lip_batches,
    draw_reference,
    leading_directions,
    random_style,
    train_lip_motion,
)
from stylesync_training.fitting.loop import Schedule
from stylesync_training.fitting.presets import PRESETS, find_preset
from training_material import TINY_LIPS, make_clip

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes
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


def test_a_committee_s_answer_is_the_mean_of_its_members() -> None:
    torch.manual_seed(0)
    sizes = LipMotionSizes(speech=8, width=6, reference="none", members=3, components=5)
    network = LipMotionNetwork(sizes).eval()
    speech = torch.randn(2, 20, 8)
    answers = network.answers(speech)
    assert answers.shape == (3, 2, 20, MOUTH)
    torch.testing.assert_close(answers.mean(dim=0), network(speech))
    torch.testing.assert_close(network.answers(speech, slice(1, None, 4)), answers[:, :, 1::4])
    with torch.no_grad():  # one member's weights have no say in another's answer
        network.committee.layers[3].weight[:6] += 1.0
    changed = (network.answers(speech) - answers).abs().amax(dim=(1, 2, 3))
    assert changed[0] > 0.01
    assert changed[1:].max() < 1e-6


def test_a_committee_learns_on_the_leading_directions(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = torch.from_numpy(random.normal(size=(500, 4)) * np.array([0.1, 3.0, 1.0, 0.5]))
    directions = leading_directions(rows - rows.mean(dim=0), 2).abs()
    torch.testing.assert_close(
        directions, torch.eye(4, dtype=torch.float64)[:, [1, 2]], atol=0.1, rtol=0
    )
    clips = [make_clip("a", str(i), 40, i) for i in range(3)]
    sizes = LipMotionSizes(speech=8, width=6, reference="none", members=2, components=4)
    config = replace(TINY_LIPS, sizes=sizes, schedule=Schedule(4, 1e-3, 1))
    face_model = make_face_model()
    network = train_lip_motion(config, face_model, clips, [], tmp_path / "run")
    found = network.committee.directions
    torch.testing.assert_close(found.T @ found, torch.eye(4), atol=1e-4, rtol=0)


def test_presets_say_what_the_paper_says() -> None:
    paper = PRESETS["paper"]
    assert (paper.lip_motion.batch, paper.lip_motion.schedule.rate) == (256, 2e-4)
    assert (paper.lip_motion.reference, paper.lip_motion.frames) == (256, 64)
    assert (paper.renderer.batch, paper.renderer.sequence) == (12, 5)
    assert paper.renderer.schedule.rate == 4e-5
    assert paper.renderer.prediction == "epsilon"
    with pytest.raises(RequestError, match="tiny"):
        find_preset("huge")
