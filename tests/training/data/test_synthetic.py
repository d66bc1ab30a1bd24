"""Synthetic speakers: a sound has a lip shape, and each speaker an own one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_fixtures import make_face_model
from stylesync_training.data.dataset import load_clips
from stylesync_training.data.synthetic import Language, SyntheticSpeech, make_synthetic, speak
from stylesync_training.data.synthetic import draw_speaker as draw
from stylesync_training.data.workspace import Workspace, open_workspace
from stylesync_training.fitting.presets import find_preset
from stylesync_training.measures.folds import plan_folds
from stylesync_training.measures.leave_one_out import name_fold
from stylesync_training.steps import Budget

from stylesync_engine.request import RequestError

SMALL = SyntheticSpeech(speakers=4, holdout=1, clips=2, frames=90, phones=5, features=6)


def test_the_work_folder_is_ready_to_ablate(tmp_path: Path) -> None:
    make_synthetic(Workspace(tmp_path), SMALL, make_face_model())
    space = open_workspace(tmp_path)
    clips = load_clips(space.clips, pictures=False)
    assert {clip.speaker for clip in clips} == {f"synthetic00{n}" for n in range(4)}
    assert {clip.speech.shape for clip in clips} == {(90, 6)}
    preset = find_preset(space.choices.preset)
    plan = plan_folds(space, preset, Budget(), "ablation", None, None)
    assert plan.folds == [("synthetic003",)]
    assert plan.config.restyle == 0.0  # the speakers' own styles are enough
    with pytest.raises(RequestError, match="already"):
        make_synthetic(space, SMALL, make_face_model())


def test_the_same_seed_makes_the_same_clips(tmp_path: Path) -> None:
    for name in "ab":
        make_synthetic(Workspace(tmp_path / name), SMALL, make_face_model())
    one, other = (load_clips(tmp_path / name / "data/clips", pictures=False) for name in "ab")
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.beta, b.beta)
        np.testing.assert_array_equal(a.speech, b.speech)


def test_many_speakers_left_out_together_fit_a_file_name() -> None:
    many = [f"synthetic{number:03d}" for number in range(60)]
    assert len(name_fold(many)) < 100
    assert name_fold(many) != name_fold([*many[:-1], "synthetic060"])
    assert name_fold(["s1", "s26"]) == "s1+s26"


def test_where_to_look_for_a_style_only_the_sound_can_tell() -> None:
    """Nearest sounds of one speaker's other speech foretell the lips; another speaker's do not."""
    language = Language.draw(SMALL)
    rng = np.random.default_rng(0)
    people = [draw(language, SMALL, rng) for _ in range(2)]
    asked, truth = speak(language, *people[0], SMALL, rng)
    errors = []
    for person in people:
        sounds, lips = speak(language, *person, SMALL, rng)
        nearest = np.linalg.norm(asked[:, None] - sounds[None], axis=-1).argmin(axis=1)
        errors.append(float(np.abs(lips[nearest] - truth).mean()))
    assert errors[0] < 0.6 * errors[1]
