"""The own sync expert: it finds by how much a sound is late, and such clips are dropped."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from model_fixtures import make_face_model
from safetensors.numpy import save_file
from stylesync_training.data.corpora import SourceClip
from stylesync_training.data.dataset import TrainingClip
from stylesync_training.data.prepare import read_dropped
from stylesync_training.fitting import sync_expert
from stylesync_training.fitting.loop import Schedule
from stylesync_training.fitting.losses import contrastive_loss
from stylesync_training.fitting.sync_expert import (
    SyncExpert,
    SyncExpertTraining,
    SyncSizes,
    drop_out_of_sync,
    judge_sync,
)

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.request import ModelError, RequestError

TINY = SyncExpertTraining(
    sizes=SyncSizes(speech=6, width=24, embedding=16, window=5),
    schedule=Schedule(steps=80, rate=3e-3, warm_up=5, ema=0.9),
    batch=6,
    frames=48,
)


def make_clip(seed: int, late: int = 0, frames: int = 80) -> TrainingClip:
    """Lips that a linear map makes of the sound; the sound is `late` frames late."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(size=(frames + 40, 6)).astype(np.float32)
    mapping = np.random.default_rng(99).normal(size=(6, MOUTH)).astype(np.float32)
    lips = sound @ mapping
    return TrainingClip(
        speaker="a",
        name=str(seed),
        crops=np.zeros((0, 256, 256, 3), np.uint8),
        points=np.zeros((frames, 468, 2), np.float32),
        beta=lips[20 : 20 + frames],
        alpha=np.zeros(3, np.float32),
        neutral=np.zeros((468, 3), np.float32),
        angles=np.zeros((frames, 3), np.float32),
        scale=np.ones(frames, np.float32),
        rotation=np.broadcast_to(np.eye(3, dtype=np.float32), (frames, 3, 3)).copy(),
        speech=sound[20 - late : 20 - late + frames],
    )


@pytest.fixture(scope="module")
def expert(tmp_path_factory: pytest.TempPathFactory) -> SyncExpert:
    folder = tmp_path_factory.mktemp("sync")
    clips = [make_clip(seed) for seed in range(8)]
    return sync_expert.train_sync_expert(TINY, clips, clips[:2], folder)


@pytest.mark.parametrize("late", [-7, -1, 0, 4, 12])
def test_it_finds_how_late_the_sound_of_an_unheard_clip_is(expert: SyncExpert, late: int) -> None:
    clip = make_clip(50, late)
    found = judge_sync(expert, clip.speech, clip.beta)
    assert found.offset == late
    assert found.clearly_off == (abs(late) > 2)
    assert found.confidence > 0.3
    assert set(found.figures()) == {"OwnSync_confidence", "OwnSync_offset"}


def test_sound_of_something_else_has_no_confidence(expert: SyncExpert) -> None:
    right = judge_sync(expert, make_clip(60).speech, make_clip(60).beta).confidence
    wrong = judge_sync(expert, make_clip(61).speech, make_clip(60).beta).confidence
    assert wrong < 0.5 * right
    with pytest.raises(RequestError, match="too few"):
        judge_sync(expert, np.zeros((20, 6), np.float32), np.zeros((20, MOUTH), np.float32))


def test_the_loss_is_least_where_frames_agree() -> None:
    unit = torch.nn.functional.normalize(torch.randn(2, 9, 16), dim=-1)
    temperature = torch.tensor(0.05)
    together = float(contrastive_loss(unit, unit, temperature))
    apart = float(contrastive_loss(unit, unit.roll(1, dims=1), temperature))
    assert together < 0.1 < 1 < apart
    even = torch.ones(1, 7, 4) / 2
    assert float(contrastive_loss(even, even, temperature)) == pytest.approx(np.log(7), rel=1e-5)


def test_late_clips_are_dropped_with_a_reason(expert: SyncExpert, tmp_path: Path) -> None:
    sources = [SourceClip("a", name, Path(f"{name}.mpg")) for name in ("fine", "late")]
    for source, late in zip(sources, (0, 6), strict=True):
        clip = make_clip(70, late)
        source.under(tmp_path).parent.mkdir(exist_ok=True)
        names = ("points", "beta", "alpha", "neutral", "angles", "scale", "rotation", "speech")
        save_file({name: getattr(clip, name) for name in names}, source.under(tmp_path))
    dropped = drop_out_of_sync(sources, tmp_path, expert)
    assert dropped == {"late.mpg": "its sound is 6 frames late (own sync expert)"}
    assert read_dropped(tmp_path) == dropped
    assert [path.stem for path in (tmp_path / "a").iterdir()] == ["fine"]
    assert drop_out_of_sync(sources, tmp_path, expert) == {}


def test_a_video_is_judged_at_its_own_rate(expert: SyncExpert) -> None:
    """Lips seen 50 times a second and sound features at 25 Hz are laid over each other."""
    model = make_face_model()
    rng = np.random.default_rng(3)
    mouth = np.repeat(rng.normal(size=(60, MOUTH)).astype(np.float32), 2, axis=0)
    landmarks = (model.mean + model.move_mouth(mouth)) * 40 + 200
    heard: list[Path] = []

    def features(video: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        heard.append(video)
        return rng.normal(size=(60, 6)).astype(np.float32)

    judge = sync_expert.SyncJudge(expert, model, features)
    assert judge.judge(Path("a.mov"), landmarks.astype(np.float32), Fraction(50)) is not None
    assert heard == [Path("a.mov")]
    landmarks[:60] = np.nan
    assert judge.judge(Path("a.mov"), landmarks.astype(np.float32), Fraction(50)) is None


def test_an_expert_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="sync-expert"):
        sync_expert.read_sync_expert(tmp_path)
