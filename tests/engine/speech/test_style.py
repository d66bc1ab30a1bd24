"""Reading a style reference: the closed form against a plain solve, and what it must do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from model_fixtures import make_face_model
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist

from stylesync_engine.faces.face_model import MOUTH, FaceModel
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes, ReferenceUse
from stylesync_engine.speech.kernel_ridge import ClosedFormSettings, fit_ridge
from stylesync_engine.speech.style import (
    ClosedFormReading,
    NetworkReading,
    StyleReference,
    _gain,
    _spread,
    choose_sounds,
    close_as,
    widen,
)

Array = NDArray[np.float32]
SPEECH = 12


def make_network(reference: ReferenceUse = "none") -> LipMotionNetwork:
    torch.manual_seed(0)
    return LipMotionNetwork(LipMotionSizes(SPEECH, 16, 2, 32, 1, 1, reference=reference)).eval()


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def predict(network: LipMotionNetwork, speech: Array) -> Array:
    with torch.no_grad():
        motion: Array = network(torch.from_numpy(speech)[None])[0].numpy()
    return motion


def test_kernel_ridge_is_its_formula() -> None:
    known, values, asked = noise(7, 4), noise(7, MOUTH, seed=1), noise(5, 4, seed=2)
    settings = ClosedFormSettings(bandwidth=0.8, ridge=0.2)
    distances = [math.dist(known[i], known[j]) for i in range(len(known)) for j in range(i)]
    width = 0.8 * float(np.median(distances))
    kernel = [[math.exp(-(math.dist(a, b) ** 2) / (2 * width**2)) for b in known] for a in known]
    weights = np.linalg.inv(np.array(kernel) + 0.2 * np.eye(7)) @ values
    rows = [[math.exp(-(math.dist(a, b) ** 2) / (2 * width**2)) for b in known] for a in asked]
    got = fit_ridge(known, values, settings).at(asked)
    np.testing.assert_allclose(got, np.array(rows) @ weights, atol=1e-4)


def test_without_ridge_the_reference_is_repeated_exactly() -> None:
    known, values = noise(20, 6), noise(20, MOUTH, seed=1)
    got = fit_ridge(known, values, ClosedFormSettings(0.5, 1e-9)).at(known)
    np.testing.assert_allclose(got, values, atol=1e-3)


def test_a_person_like_the_average_changes_nothing() -> None:
    network, speech = make_network(), noise(30, SPEECH)
    reference = StyleReference(
        noise(40, SPEECH, seed=1), predict(network, noise(40, SPEECH, seed=1))
    )
    got = ClosedFormReading(network, articulation=0.0).predict(speech, reference)
    np.testing.assert_allclose(got, predict(network, speech), atol=1e-4)


def test_a_person_s_habit_is_taken_over() -> None:
    """Who moves the mouth twice as far as the network does is dubbed so."""
    network, known = make_network(), noise(300, SPEECH, seed=1)
    reference = StyleReference(known, 2 * predict(network, known))
    speech = noise(80, SPEECH, seed=2)
    plain = predict(network, speech)
    settings = ClosedFormSettings(bandwidth=2.0, ridge=0.01, rest=0.0)
    added = ClosedFormReading(network, settings).predict(speech, reference) - plain
    slope = float((added * plain).sum() / (plain**2).sum())
    assert slope == pytest.approx(1, abs=0.1)
    moving, wanted = added - added.mean(axis=0), plain - plain.mean(axis=0)
    assert np.corrcoef(moving.ravel(), wanted.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("rest", [0.0, 100.0, 300.0])
def test_another_rest_is_believed_the_more_frames_show_it(rest: float) -> None:
    network, known = make_network(), noise(100, SPEECH, seed=1)
    motion = 2 * predict(network, known)
    offset = np.linspace(-0.5, 0.5, MOUTH, dtype=np.float32)
    reading = ClosedFormReading(network, ClosedFormSettings(rest=rest))
    speech = noise(30, SPEECH, seed=2)
    one = reading.predict(speech, StyleReference(known, motion))
    other = reading.predict(speech, StyleReference(known, motion + offset))
    believed = np.broadcast_to(offset * 100 / (100 + rest), other.shape)
    np.testing.assert_allclose(other - one, believed, atol=1e-4)


def test_equal_features_of_different_sounds_are_told_apart() -> None:
    """Where the network hears nothing, the speech itself still says which sound it is."""
    network = make_network()
    torch.nn.init.zeros_(network.speech_tokens.convolutions[2].weight)
    known = np.repeat(noise(2, SPEECH, seed=1), 20, axis=0)
    motion = np.repeat(np.array([[1.0], [-1.0]], np.float32), 20, axis=0) * np.ones(MOUTH)
    reading = ClosedFormReading(network, ClosedFormSettings(0.5, 0.01))
    got = reading.predict(known, StyleReference(known, motion.astype(np.float32)))
    assert got[:20].min() > 0.5
    assert got[20:].max() < -0.5


def test_frames_that_are_not_usable_are_not_used() -> None:
    network, known = make_network(), noise(60, SPEECH, seed=1)
    motion = predict(network, known) + 0.3
    usable = np.arange(60) % 3 > 0
    spoilt = np.where(usable[:, None], motion, 1e3).astype(np.float32)
    speech = noise(20, SPEECH, seed=2)
    reading = ClosedFormReading(network)
    one = reading.predict(speech, StyleReference(known, motion, usable))
    other = reading.predict(speech, StyleReference(known, spoilt, usable))
    np.testing.assert_array_equal(one, other)
    assert len(StyleReference(known, motion, usable)) == 40


@pytest.mark.parametrize("frames", [0, 7])
def test_too_short_a_reference_is_none(frames: int) -> None:
    network, speech = make_network(), noise(20, SPEECH)
    reference = StyleReference(noise(frames, SPEECH), noise(frames, MOUTH))
    got = ClosedFormReading(network).predict(speech, reference)
    np.testing.assert_allclose(got, predict(network, speech), atol=1e-6)
    got = ClosedFormReading(network).predict(speech, None)
    np.testing.assert_allclose(got, predict(network, speech), atol=1e-6)


def test_the_network_reads_its_reference_and_a_network_without_none() -> None:
    speech, reference = noise(20, SPEECH), StyleReference(noise(30, SPEECH), noise(30, MOUTH))
    network = make_network("audio-aware")
    with torch.no_grad():
        memory = network.remember(
            torch.from_numpy(reference.speech)[None], torch.from_numpy(reference.motion)[None]
        )
        expected = network(torch.from_numpy(speech)[None], memory)[0].numpy()
    got = NetworkReading(network).predict(speech, reference)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert np.abs(got - NetworkReading(network).predict(speech, None)).max() > 1e-4
    plain = make_network("none")
    np.testing.assert_allclose(
        NetworkReading(plain).predict(speech, reference), predict(plain, speech), atol=1e-6
    )


def test_of_a_long_reference_the_different_sounds_are_kept() -> None:
    speech = np.zeros((600, SPEECH), np.float32)
    speech[300:312] = 5.0  # one rare sound
    speech[400:424, 0] = -4.0
    reference = StyleReference(speech, noise(600, MOUTH))
    kept = choose_sounds(reference, 60)
    assert len(kept) <= 60
    assert (np.diff(kept) > 0).all()
    assert np.isin([302, 309], kept).any()
    assert np.isin(np.arange(402, 422), kept).any()
    np.testing.assert_array_equal(choose_sounds(reference, 600), np.arange(600))


def test_left_out_errors_are_those_of_fits_without_them() -> None:
    known, values = noise(150, 5), noise(150, MOUTH, seed=1)
    fit = fit_ridge(known, values, ClosedFormSettings(0.8, 0.5))
    gram = np.exp(-cdist(known, known, "sqeuclidean") / (2 * fit.width**2))
    best = np.inf
    for ridge in (0.5, 0.15, 1.5, 5.0):  # the settings' own first, then times what is tried
        errors = np.empty_like(values)
        for part in np.array_split(np.arange(150), 6):
            rest = np.setdiff1d(np.arange(150), part)
            square = gram[np.ix_(rest, rest)] + ridge * np.eye(len(rest))
            errors[part] = (
                values[part] - gram[np.ix_(part, rest)] @ np.linalg.inv(square) @ values[rest]
            )
        if np.abs(errors).sum() < 0.97 * best:
            best, kept = float(np.abs(errors).sum()), errors
    np.testing.assert_allclose(fit.left_out_errors, kept, atol=1e-3)


def test_a_reference_of_mere_noise_is_read_weakly() -> None:
    known = noise(200, 6)
    habit = np.repeat(np.sin(known[:, :1]), MOUTH, axis=1)
    settings = ClosedFormSettings(1.0, 1.0)
    noisy, clear = (fit_ridge(known, v, settings) for v in (noise(200, MOUTH, seed=3), habit))

    def strength(values: Array, width: float, weights: NDArray[np.float64]) -> float:
        gram = np.exp(-cdist(known, known, "sqeuclidean") / (2 * width**2))
        return float(np.std(gram @ weights) / np.std(values))

    assert strength(noise(200, MOUTH, seed=3), noisy.width, noisy.weights) < 0.5
    assert strength(habit, clear.width, clear.weights) > 0.5


def test_lips_get_the_spread_of_the_reference() -> None:
    """The regression shrinks; articulation 1 gives back what it took, 0 does not."""
    network, known = make_network(), noise(300, SPEECH, seed=1)
    plain = predict(network, known)
    unheard = 0.5 * plain.std() * noise(300, MOUTH, seed=5)
    reference = StyleReference(known, 3 * plain + unheard)
    speech = noise(300, SPEECH, seed=2)
    true = 3 * predict(network, speech) + unheard

    def spread(articulation: float) -> float:
        reading = ClosedFormReading(network, ClosedFormSettings(), articulation)
        made = reading.predict(speech, reference)
        return float(np.sqrt(made.var(axis=0).sum() / true.var(axis=0).sum()))

    assert spread(0.0) < spread(0.5) < spread(1.0) < spread(1.5)
    assert spread(1.0) == pytest.approx(1.0, abs=0.3)


def test_the_gain_is_a_power_of_one_over_the_slope_of_what_was_left_out() -> None:
    true = noise(400, MOUTH)
    timid = 0.5 * true + 0.2 * noise(400, MOUTH, seed=1)
    opening = np.zeros(MOUTH, np.float32)
    opening[2] = 1.0
    for chosen in (None, opening):
        assert _gain(true, timid, chosen) == pytest.approx(2**0.5, abs=0.05)
        assert _gain(true, true, chosen) == pytest.approx(1, abs=0.02)
    for unlike in (noise(400, MOUTH, seed=2), -true):
        assert _gain(true, unlike, opening) == pytest.approx(3, abs=0.05)
    assert _gain(true[:8], -true[:8], opening) < 2.2


def test_lips_that_touch_still_do_when_they_are_smoothed() -> None:
    opening = noise(MOUTH, seed=1)
    along = opening / (opening @ opening)
    sharp = np.outer([0.05, 0.01, -0.02, 0.05], along).astype(np.float32)
    smooth = np.outer([0.04, 0.03, -0.01, 0.06], along).astype(np.float32)
    gaps = close_as(smooth, sharp, opening) @ opening
    np.testing.assert_allclose(gaps, [0.04, 0.01, -0.01, 0.06], atol=1e-6)


def test_wider_lips_open_wider_and_move_no_farther_than_that_takes() -> None:
    motion, opening = noise(50, MOUTH), noise(MOUTH, seed=1)
    centre = motion.mean(axis=0)
    wide = widen(motion, centre, 1.5, opening)
    np.testing.assert_allclose(
        (wide - centre) @ opening, 1.5 * ((motion - centre) @ opening), atol=1e-4
    )
    across = np.linalg.svd(opening[None])[2][1:]  # all directions that do not open
    np.testing.assert_allclose(wide @ across.T, motion @ across.T, atol=1e-4)
    np.testing.assert_allclose(
        widen(motion, centre, 1.5, None) - centre, 1.5 * (motion - centre), atol=1e-5
    )


def test_without_a_reference_the_width_is_that_of_the_training_s_people() -> None:
    network, speech = make_network(), noise(50, SPEECH)
    plain = predict(network, speech)
    settings = ClosedFormSettings(width=1.4)
    for articulation, times in ((0.0, 1.0), (1.0, 1.4), (1.5, 1.6)):
        reading = ClosedFormReading(network, settings, articulation)
        np.testing.assert_allclose(reading.predict(speech, None), times * plain, rtol=1e-5)


def test_the_network_s_lips_get_the_spread_too() -> None:
    network, known = make_network("audio-aware"), noise(200, SPEECH, seed=1)
    reference = StyleReference(known, 0.5 * noise(200, MOUTH, seed=5))
    speech = noise(60, SPEECH, seed=2)
    narrow = NetworkReading(network).predict(speech, reference)
    wide = NetworkReading(network, articulation=1.0).predict(speech, reference)
    gains = wide.std(axis=0) / narrow.std(axis=0)
    np.testing.assert_allclose(gains, gains[0], rtol=1e-4)  # one for all parameters
    assert 0.7 <= gains[0] <= 3.0


def test_lips_come_when_the_person_s_do() -> None:
    """Whose lips follow the sound three frames later than the network's is dubbed so, above all
    where the reference is long; without a face model timing is not touched."""
    network, face_model = make_network(), make_face_model()
    known = gaussian_filter1d(noise(700, SPEECH, seed=1), 1.5, axis=0) * 3
    motion = np.roll(predict(network, known), 3, axis=0)
    speech = gaussian_filter1d(noise(90, SPEECH, seed=2), 1.5, axis=0) * 3
    settings = ClosedFormSettings(1.0, 100.0)  # sounds alone say little

    def late(model: FaceModel | None) -> int:
        reading = ClosedFormReading(network, settings, face_model=model)
        made = reading.predict(speech, StyleReference(known, motion))
        plain = predict(network, speech)
        made, plain = made - made.mean(axis=0), plain - plain.mean(axis=0)
        return max(range(6), key=lambda shift: (plain[: 80 - shift] * made[shift:80]).sum())

    assert late(None) < late(face_model)
    assert late(face_model) in (2, 3)


def test_a_long_reference_is_read_in_whole_pieces_from_all_over_it() -> None:
    np.testing.assert_array_equal(_spread(np.arange(750)), np.arange(750))
    kept = _spread(np.arange(15000))
    assert len(kept) == 750
    assert kept[0] == 0
    assert kept[-1] > 14900
    assert (np.diff(kept) == 1).sum() >= 740
