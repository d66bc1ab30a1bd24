"""Measures against scikit-image, scipy and closed forms."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from stylesync_training.data.corpora import SourceClip
from stylesync_training.measures import evaluate, published, videos

from stylesync_engine.request import DubOptions, FrameRange, RequestError

Image = NDArray[np.uint8]


def frames(seed: int = 0, count: int = 4) -> Image:
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (count, 40, 60, 3)).astype(np.uint8)
    return np.stack([cv2.GaussianBlur(frame, (5, 5), 2) for frame in rough]).astype(np.uint8)


def test_psnr_and_ssim_are_scikit_images() -> None:
    truth, made = frames(), frames()
    made = np.clip(
        made.astype(int) + np.random.default_rng(1).integers(-20, 20, made.shape), 0, 255
    )
    made = made.astype(np.uint8)
    pairs = list(zip(truth, made, strict=True))
    wanted = np.mean([peak_signal_noise_ratio(a, b, data_range=255) for a, b in pairs])
    assert videos.psnr(made, truth) == pytest.approx(wanted, abs=1e-6)
    wanted = np.mean(
        [structural_similarity(a, b, channel_axis=2, data_range=255) for a, b in pairs]
    )
    assert videos.ssim(made, truth) == pytest.approx(wanted, abs=1e-6)


def test_equal_frames_are_as_good_as_can_be() -> None:
    assert videos.psnr(frames(), frames()) == pytest.approx(100.0)
    assert videos.ssim(frames(), frames()) == pytest.approx(1.0)
    assert videos.flicker(frames(), frames()) == pytest.approx(0.0)


def test_flicker_is_change_over_the_truths_own() -> None:
    truth = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (10, 12, 10, 12)])
    made = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (10, 13, 10, 13)])
    assert videos.flicker(made, truth) == pytest.approx(0.5)


def test_lip_lmd_is_a_share_of_the_crop() -> None:
    truth = np.zeros((3, 40, 2), np.float32)
    assert videos.lip_lmd(truth + np.array([3, 4], np.float32), truth) == pytest.approx(5 / 256)


def test_the_crop_puts_the_eyes_in_their_places() -> None:
    landmarks = np.zeros((468, 3), np.float32)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]]) * 0.7
    places = np.array([[0.30, 0.36], [0.70, 0.36], [0.50, 0.36]]) * 256
    landmarks[[33, 263, 168], :2] = (places - [40, 10]) @ np.linalg.inv(turn).T
    matrix = videos.crop_matrix(landmarks)
    np.testing.assert_allclose(matrix[:, :2], turn, atol=1e-5)
    np.testing.assert_allclose(matrix[:, 2], [40, 10], atol=1e-3)


def test_correlation_finds_a_delay_and_slope_a_scale() -> None:
    truth = np.sin(np.arange(60) / 5).astype(np.float32)
    assert videos.correlation(np.roll(truth, 2), truth, 3) > 0.999
    assert videos.correlation(np.roll(truth, 2), truth, 0) < 0.95
    assert videos.correlation(np.zeros(60, np.float32), truth, 0) == -1.0
    assert videos.slope(0.5 * truth + 3, truth) == pytest.approx(0.5, abs=1e-5)


def test_the_frechet_distance_of_two_gaussians_has_a_closed_form() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, (4000, 3))
    b = rng.normal([1, 0, 0], [2, 1, 1], (4000, 3))
    assert published.frechet_distance(a, b) == pytest.approx(1 + (2 - 1) ** 2, rel=0.1)
    assert published.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_what_is_missing_is_said_and_left_out(tmp_path: Path) -> None:
    judge = published.find_published(tmp_path)
    assert judge.available() == []
    said = " ".join(judge.missing())
    assert all(name in said for name in ("LPIPS", "FID", "SyncScore", str(tmp_path)))
    assert judge.pictures(frames(), frames()) == {}


def test_lpips_is_used_when_its_weights_are_there(tmp_path: Path) -> None:
    """Random weights of the published names and shapes; the formula is checked layer by layer."""
    torch.manual_seed(0)
    shapes = {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    }
    alexnet = {
        f"features.{i}.weight": torch.randn(o, c, k, k) * 0.05 for i, (o, c, k) in shapes.items()
    }
    alexnet |= {f"features.{i}.bias": torch.zeros(o) for i, (o, _, _) in shapes.items()}
    linear = {
        f"lin{n}.model.1.weight": torch.rand(1, o, 1, 1)
        for n, (o, _, _) in enumerate(shapes.values())
    }
    torch.save(alexnet, tmp_path / published.ALEXNET)
    torch.save(linear, tmp_path / published.LPIPS)
    judge = published.find_published(tmp_path)
    assert judge.available() == ["LPIPS"]
    made, truth = (
        np.repeat(np.repeat(frames(1, 2), 2, 1), 2, 2),
        np.repeat(np.repeat(frames(0, 2), 2, 1), 2, 2),
    )
    assert judge.pictures(truth, truth)["LPIPS"] == pytest.approx(0, abs=1e-9)
    assert judge.pictures(made, truth)["LPIPS"] > 0.01


def test_sync_scores_find_the_shift_at_which_sound_and_picture_agree() -> None:
    seen = torch.randn(60, 32, generator=torch.Generator().manual_seed(0))
    together = published.distances_to_score(seen, seen)
    assert together["LSE-D"] < 1e-3
    assert together["LSE-C"] > 5
    apart = published.distances_to_score(seen, torch.randn(60, 32))
    assert apart["LSE-C"] < 1 < apart["LSE-D"]


def test_syncnet_takes_its_published_shapes() -> None:
    network = published.SyncNet().eval()
    with torch.no_grad():
        assert network.hear(torch.zeros(1, 1, 13, 20)).shape == (1, 1024)
        assert network.see(torch.zeros(1, 3, 5, 224, 224)).shape == (1, 1024)
    assert published.mfcc(np.random.default_rng(0).normal(size=16000)).shape == (101, 13)


def test_the_mouths_box_tells_a_soft_mouth_that_the_face_hides() -> None:
    truth = np.random.default_rng(3).integers(0, 256, (3, 128, 256, 3)).astype(np.uint8)
    made = truth.copy()
    made[:, 40:96, 88:168] = cv2.GaussianBlur(made[0, 40:96, 88:168], (0, 0), 2.0)
    centres = np.tile(np.array([128.0, 196.0], np.float32), (3, 1))
    figures = videos.mouth_figures(made, truth, centres)
    assert figures["mouth_PSNR"] < videos.psnr(made, truth) - 5
    assert figures["mouth_sharpness"] < 0.1
    assert videos.mouth_figures(truth, truth, centres)["mouth_sharpness"] == pytest.approx(1.0)
    edge = np.tile(np.array([2.0, 254.0], np.float32), (3, 1))
    assert videos.mouth_figures(truth, truth, edge)["mouth_SSIM"] == pytest.approx(1.0)


def opening() -> NDArray[np.float32]:
    """Lips that open and close once a second, with a long silence at the end."""
    moving = 0.05 * (1 - np.cos(2 * np.pi * np.arange(100) / 25))
    return np.concatenate([moving, np.zeros(50)]).astype(np.float32)


def test_closures_are_those_between_two_openings() -> None:
    np.testing.assert_array_equal(videos.closures(opening()), [25, 50, 75])
    assert len(videos.closures(np.zeros(50, np.float32))) == 0


def test_closures_are_kept_where_the_dub_closes_within_a_frame() -> None:
    truth = opening()
    assert videos.closures_kept(truth, truth) == {"closures_kept": 1.0}
    late, open_ = truth.copy(), truth.copy()
    late[1:], open_[45:56] = truth[:-1], 0.06
    assert videos.closures_kept(late, truth) == {"closures_kept": 1.0}
    assert videos.closures_kept(open_, truth)["closures_kept"] == pytest.approx(2 / 3)
    assert videos.closures_kept(truth, np.zeros(150, np.float32)) == {}


def test_a_single_clip_is_style_first_and_then_test(monkeypatch: pytest.MonkeyPatch) -> None:
    only = SourceClip("anna", "talk", Path("talk.mp4"))
    several = [SourceClip("ben", name, Path(f"{name}.mp4")) for name in "ab"]
    info = SimpleNamespace(
        frames=400, rate=Fraction(25), audio=[SimpleNamespace(sample_rate=48000)]
    )
    monkeypatch.setattr(evaluate, "probe_video", lambda path: info)
    pairs = evaluate.choose_pairs([only, *several], 1)
    assert [(p.kind, p.video.speaker, p.first) for p in pairs] == [
        ("rebuild", "anna", 220),
        ("rebuild", "ben", 0),
        ("follow", "ben", 0),
    ]
    request = evaluate._request(pairs[0], Path("out.mkv"), DubOptions())
    assert (request.style, request.style_frames) == ("talk.mp4", FrameRange(0, 220))
    assert (request.frames, request.speech_samples) == (FrameRange(220, 400), (422400, 768000))
    info.frames = 100
    with pytest.raises(RequestError, match="only clip, and too short"):
        evaluate.choose_pairs([only], 1)
