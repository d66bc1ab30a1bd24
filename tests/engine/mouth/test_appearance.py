"""The aligned reference: the warp against plain geometry, the path against what it must not do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from model_fixtures import jaw_field, make_face_model
from numpy.typing import NDArray

from stylesync_engine.faces.face_model import LIPS
from stylesync_engine.mouth.crop import CROP, LOWER, place_in_crop
from stylesync_engine.mouth.references import (
    FADE,
    ReferenceBank,
    choose_coverage,
    choose_path,
    mixing_weights,
    reference_cost,
)
from stylesync_engine.mouth.warping import (
    cross_fade,
    match_colour,
    triangulate,
    warp_maps,
    warp_reference,
)

Array = NDArray[np.float32]
TOP = LOWER - 32


def face_points(opening: Array) -> Array:
    """Landmarks `[T, 468, 2]` in crop px of a face whose mouth opens by `opening` `[T]`."""
    from test_mouth import head

    model = make_face_model()
    shapes = model.mean + opening[:, None, None] * jaw_field(model.mean)
    pose = head(100, (0, 0, 0))
    return np.concatenate([place_in_crop(shape[None], pose) for shape in shapes])


def textured(seed: int = 0) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:CROP, 0:CROP] / 256
    waves = [np.sin(9 * x + k) + np.cos(13 * y - 5 * x + 2 * k + seed) for k in range(3)]
    return (128 + 50 * np.stack(waves, axis=-1)).round().astype(np.uint8)


def make_bank(opening: Array, frames: NDArray[np.int64] | None = None) -> ReferenceBank:
    count = len(opening)
    return ReferenceBank(
        crops=np.repeat(textured()[None], count, axis=0),
        points=face_points(opening),
        angles=np.zeros((count, 3), np.float32),
        frames=np.arange(count) if frames is None else frames,
    )


# The warp


def test_the_warp_onto_itself_changes_nothing() -> None:
    crop, points = textured(), face_points(np.zeros(1, np.float32))[0]
    warped = warp_reference(crop, warp_maps(points, points, triangulate(points)))
    assert np.abs(warped[TOP:].astype(int) - crop[TOP:]).max() <= 1
    assert not warped[:TOP].any()


def test_a_moved_face_is_the_moved_picture() -> None:
    crop, points = textured(), face_points(np.zeros(1, np.float32))[0]
    wanted = points + np.array([3, -2], np.float32)
    warped = warp_reference(crop, warp_maps(points, wanted, triangulate(points)))
    inside = np.zeros((CROP, CROP), bool)
    inside[TOP + 8 : 220, 60:196] = True  # well within the face, where all corners move alike
    moved = np.roll(crop, (-2, 3), axis=(0, 1))
    assert np.abs(warped.astype(int) - moved)[inside].mean() < 1.5


def test_landmarks_carry_their_colours_along() -> None:
    points = face_points(np.array([0, 2], np.float32))
    y, x = np.mgrid[0:CROP, 0:CROP]
    crop = np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)  # a px's colour is where it was
    warped = warp_reference(crop, warp_maps(points[0], points[1], triangulate(points[0])))
    for index in (17, 14, 13, 405, 181, 61, 291, 2):
        u, v = points[1][index]
        found = warped[round(float(v)), round(float(u)), :2].astype(float)
        assert np.abs(found - points[0][index]).max() < 2.5


def test_colours_are_matched_on_the_skin_above_the_mouth() -> None:
    points = face_points(np.zeros(1, np.float32))[0]
    target = textured()
    gains = np.array([0.8, 1.1, 0.9])
    mixing = np.diag(gains) + 0.05 * (1 - np.eye(3))
    darker = np.clip(target @ mixing, 0, 255).round().astype(np.uint8)
    matched = match_colour(darker, target, points)
    lower = (slice(LOWER, None),)
    assert np.abs(matched.astype(int) - target)[lower].mean() < 2.5
    assert np.abs(darker.astype(int) - target)[lower].mean() > 8


# The path


def test_a_mouth_that_opens_slowly_is_played_without_a_jump() -> None:
    opening = np.linspace(0, 2, 40).astype(np.float32)
    bank = make_bank(opening)
    path = choose_path(bank, face_points(opening), bank.angles)
    steps = np.diff(path)
    assert (steps >= 0).all()
    assert steps.max() <= 1
    assert np.abs(path - np.arange(40)).max() <= 2


def test_forbidden_pairs_are_never_chosen() -> None:
    opening = (1 + np.sin(np.arange(40) / 4)).astype(np.float32)
    bank = make_bank(opening)
    distance = np.abs(np.arange(40)[:, None] - np.arange(40)[None])
    path = choose_path(bank, face_points(opening), bank.angles, allowed=distance > 5)
    assert (np.abs(path - np.arange(40)) > 5).all()
    free = choose_path(bank, face_points(opening), bank.angles)
    assert np.abs(free - np.arange(40)).max() < 3


def test_the_path_is_the_best_of_all_paths() -> None:
    """Against trying out every path of a small problem with the same prices."""
    numbers = np.random.default_rng(0)
    for _ in range(4):
        bank = make_bank(numbers.uniform(0, 1.5, 4).astype(np.float32), np.array([0, 1, 2, 9]))
        points = face_points(numbers.uniform(0, 1.5, 5).astype(np.float32))
        angles = np.zeros((5, 3), np.float32)
        cost = reference_cost(bank, points, angles)

        def price(path: tuple[int, ...], cost: Array = cost, bank: ReferenceBank = bank) -> float:
            total = float(cost[0, path[0]])
            for t in range(1, len(path)):
                step = bank.frames[path[t]] - bank.frames[path[t - 1]]
                total += {1: 0.0, 0: 0.05, -1: 0.05}.get(int(step), 1.6) + cost[t, path[t]]
            return total

        best = min(itertools.product(range(4), repeat=5), key=price)
        found = tuple(int(i) for i in choose_path(bank, points, angles))
        assert price(found) == pytest.approx(price(best), abs=1e-4)


def test_jumps_are_faded_and_weights_add_up() -> None:
    bank = make_bank(np.zeros(30, np.float32))
    path = np.array([*range(10), *range(20, 30)])
    weights = mixing_weights(path, bank)
    assert all(sum(share for _, share in frame) == pytest.approx(1) for frame in weights)
    mixed = [t for t, frame in enumerate(weights) if len(frame) == 2]
    assert mixed == list(range(10 - FADE, 10 + FADE))
    new = [sum(share for index, share in weights[t] if index >= 20) for t in mixed]
    np.testing.assert_allclose(new, [0.125, 0.375, 0.625, 0.875])
    assert weights[3] == [(3, 1.0)]


@pytest.mark.parametrize("distance", [1, 2, 3, 4, 5])
def test_near_jumps_share_the_frames_between_them(distance: int) -> None:
    bank = make_bank(np.zeros(60, np.float32))
    second = 10 + distance
    path = np.array([*range(10), *range(20, 20 + distance), *range(40, 60 - second)])
    weights = mixing_weights(path, bank)
    of = [dict.fromkeys(range(3), 0.0) for _ in path]
    for t, frame in enumerate(weights):
        assert sum(share for _, share in frame) == pytest.approx(1)
        for index, share in frame:
            of[t][0 if index < 20 else 1 if index < 40 else 2] += share
    changes = [abs(b[g] - a[g]) for a, b in itertools.pairwise(of) for g in range(3)]
    assert max(changes) < (0.6 if distance > 1 else 1.1)


def test_other_light_makes_a_worse_reference() -> None:
    bank = make_bank(np.zeros(2, np.float32), np.array([0, 50]))
    bank.crops[0] //= 2
    points = face_points(np.zeros(3, np.float32))
    angles = np.zeros((3, 3), np.float32)
    assert set(choose_path(bank, points, angles, tone=bank.tone[1]).tolist()) == {1}
    assert set(choose_path(bank, points, angles, tone=bank.tone[0]).tolist()) == {0}


def test_the_cost_is_px_of_lip_distance_with_the_opening_counted_twice_more() -> None:
    bank = make_bank(np.array([0.0], np.float32))
    points = face_points(np.array([1.5], np.float32))
    lips = [points[0, list(LIPS)], bank.points[0, list(LIPS)]]
    a, b = (ring - ring.mean(axis=0) for ring in lips)
    upper, lower = [81, 82, 13, 312, 311], [178, 87, 14, 317, 402]
    wider = [p[0, lower, 1] - p[0, upper, 1] for p in (points, bank.points)]
    opening = ((wider[0] - wider[1]) ** 2).mean()
    expected = np.sqrt(((a - b) ** 2).sum(axis=1).mean() + 2.0**2 * opening)
    assert reference_cost(bank, points, bank.angles)[0, 0] == pytest.approx(expected, rel=1e-3)


# The bank


def test_coverage_keeps_the_rare_mouths_and_no_frame_twice() -> None:
    opening = np.zeros(100, np.float32)
    opening[[17, 60]] = 2.0, 1.0
    points = face_points(opening)
    kept = choose_coverage(points, np.zeros((100, 3), np.float32), most=10)
    assert len(set(kept.tolist())) == 10
    assert {17, 60} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    everything = choose_coverage(points, np.zeros((100, 3), np.float32), most=100)
    np.testing.assert_array_equal(everything, np.arange(100))


def test_joined_banks_are_never_taken_for_neighbours() -> None:
    bank = make_bank(np.zeros(3, np.float32)).join(make_bank(np.ones(2, np.float32)))
    assert len(bank) == 5
    assert np.diff(bank.frames).tolist()[:2] == [1, 1]
    assert np.diff(bank.frames)[2] > 100


def test_a_turned_head_leaves_the_reference_its_contrast() -> None:
    points = face_points(np.zeros(1, np.float32))[0]
    target = textured()
    turned = np.roll(target, 6, axis=1)  # the same skin, but no px shows the same of it
    matched = match_colour(turned, target, points)[LOWER:].astype(np.float32)
    contrast = matched.std(axis=(0, 1)) / turned[LOWER:].astype(np.float32).std(axis=(0, 1))
    np.testing.assert_allclose(contrast, 1, atol=0.15)


def test_what_is_fine_does_not_fade() -> None:
    x = np.tile(np.arange(64), (64, 1))
    stripes = np.repeat(((x % 4 < 2) - 0.5)[..., None], 3, axis=2).astype(np.float32)
    dark, bright = 0.3 + 0.2 * stripes, 0.7 + 0.2 * np.roll(stripes, 2, axis=1)
    mixed = cross_fade([dark, bright], [0.6, 0.4])
    np.testing.assert_allclose(mixed.mean(), 0.3 + 0.4 * 0.4, atol=0.02)
    assert (
        np.corrcoef(mixed[16:48, 16:48, 0].ravel(), stripes[16:48, 16:48, 0].ravel())[0, 1] > 0.99
    )
    np.testing.assert_allclose(mixed[16:48, 16:48].std(), dark.std(), rtol=0.05)
