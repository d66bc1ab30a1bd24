"""Plans and windows on disk: whole or not there, never trusted when damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_fixtures import disk_of

from stylesync_engine.mouth.likeness import Correction
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.plan.plan import (
    WINDOW,
    Facts,
    Plan,
    note_request,
    read_correction,
    read_references,
)
from stylesync_engine.plan.windows import (
    load_window,
    remove_other_windows,
    save_window,
    window_device,
    window_path,
)
from stylesync_engine.request import DiskError, DubRequest, Fit, FrameRange, RequestError

FRAMES = 37


@pytest.fixture
def plan() -> Plan:
    random = np.random.default_rng(0)

    def values(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    shown = np.array([i for i in range(40) if i not in (3, 4, 20)])
    return Plan(
        request=DubRequest("a 'b' #1 % ü.mov", "s.wav", "o.mov", frames=FrameRange(5, 45)),
        frames=FrameRange(5, 45),
        fingerprint="f" * 64,
        shown=shown,
        matrices=values(FRAMES, 2, 3),
        before=values(FRAMES, 468, 2),
        after=values(FRAMES, 468, 2),
        motion=values(FRAMES, 5, 20),
        references=random.integers(0, 3, (FRAMES, 2)),
        shares=values(FRAMES, 2),
        lacking=values(FRAMES),
        hidden=random.integers(0, 256, (FRAMES, 16, 32)).astype(np.uint8),
        mesh=values(468, 2),
        facts=Facts("m", "f", {"engine": "1"}, ("one",), ((3, 5),)),
    )


@pytest.fixture
def bank() -> ReferenceBank:
    random = np.random.default_rng(1)
    crops = random.integers(0, 256, (3, 256, 256, 3)).astype(np.uint8)
    points = random.standard_normal((3, 468, 2)).astype(np.float32)
    return ReferenceBank(crops, points, points[:, 0, :1].repeat(3, axis=1), np.arange(3))


def test_a_plan_comes_back_as_it_was(plan: Plan, bank: ReferenceBank, tmp_path: Path) -> None:
    saved = plan.save(tmp_path, bank)
    loaded = Plan.load(tmp_path)
    assert len(loaded.identity) == 64
    assert loaded.identity == saved.identity
    for entry in fields(Plan):
        if entry.name in ("identity", "names"):
            continue
        got, want = getattr(loaded, entry.name), getattr(plan, entry.name)
        if isinstance(want, np.ndarray):
            np.testing.assert_array_equal(got, want, strict=True)
        else:
            assert got == want
    assert [path.name for path in tmp_path.iterdir()] == ["plan.safetensors"]


def test_a_fit_is_kept_beside_the_plan(plan: Plan, bank: ReferenceBank, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    correction = Correction(
        bank.points[0],
        np.array([4, 9]),
        random.standard_normal((5, 7, 8, 3)).astype(np.float16),
        random.standard_normal((FRAMES, 5)).astype(np.float32),
    )
    fit = Fit(1.5, True, 30.0, 32.0)
    facts = replace(plan.facts, fit=fit)
    saved = replace(plan, facts=facts).save(tmp_path, bank, correction)
    assert Plan.load(tmp_path).facts.fit == fit
    assert Plan.load(tmp_path).identity == saved.identity
    found = read_correction(tmp_path)
    assert found is not None
    for entry in fields(Correction):
        want = getattr(correction, entry.name)
        np.testing.assert_array_equal(getattr(found, entry.name), want, strict=True)
    plan.save(tmp_path, bank)
    assert read_correction(tmp_path) is None


def test_references_are_read_one_by_one(plan: Plan, bank: ReferenceBank, tmp_path: Path) -> None:
    plan.save(tmp_path, bank)
    found = read_references(tmp_path, [2, 0, 2])
    assert set(found) == {0, 2}
    for index, (crop, points) in found.items():
        np.testing.assert_array_equal(crop, bank.crops[index], strict=True)
        np.testing.assert_array_equal(points, bank.points[index], strict=True)
    with pytest.raises(RequestError, match="prepare"):
        read_references(tmp_path, [3])


def test_windows_cover_every_shown_frame_once(plan: Plan) -> None:
    assert [i for window in plan.windows for i in window] == list(range(FRAMES))
    assert all(len(window) <= WINDOW for window in plan.windows)


def test_a_window_is_named_by_what_it_shows(
    plan: Plan, bank: ReferenceBank, tmp_path: Path
) -> None:
    plan = replace(plan, references=np.zeros_like(plan.references))
    names = saved(plan, bank, tmp_path)
    assert Plan.load(tmp_path).names == names
    assert len(set(names)) == len(plan.windows)
    others = [20 not in window for window in plan.windows]
    after = plan.after.copy()
    after[20] += 1
    changed = saved(plan, bank, tmp_path, after=after)
    assert [a == b for a, b in zip(names, changed, strict=True)] == others
    rows = ("shown", "matrices", "before", "after", "motion", "references", "shares", "lacking")
    kept = np.arange(FRAMES) != 20
    fewer = {name: getattr(plan, name)[kept] for name in (*rows, "hidden")}
    left_out = saved(plan, bank, tmp_path, **fewer)
    assert [a == b for a, b in zip(names, left_out, strict=True)] == others
    asked = {"options": {"options": {"seed": 1}}}
    assert not set(names) & set(saved(plan, bank, tmp_path, facts=Facts(inputs=asked)))
    spoken = {"options": {"options": {"articulation": 1}}}
    plain = saved(plan, bank, tmp_path, facts=Facts())
    assert saved(plan, bank, tmp_path, facts=Facts(inputs=spoken)) == plain


def saved(plan: Plan, bank: ReferenceBank, work: Path, **changed: Any) -> tuple[str, ...]:
    return replace(plan, **changed).save(work, bank).names


def test_no_plan_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="prepare"):
        Plan.load(tmp_path)


def put(work: Path, change: Callable[[bytes], bytes]) -> None:
    path = work / "plan.safetensors"
    whole = path.read_bytes()
    assert change(whole) != whole
    path.write_bytes(change(whole))


@pytest.mark.parametrize(
    "damage",
    [
        lambda work: (work / "plan.safetensors").write_bytes(b""),
        lambda work: (work / "plan.safetensors").unlink(),
        lambda work: put(work, lambda whole: whole[:-1] + b"\0"),
        lambda work: put(work, lambda whole: whole.replace(b'"end\\": 45', b'"end\\": 44', 1)),
        lambda work: put(work, lambda whole: whole.replace(b'\\"seal', b'\\"sael', 1)),
        lambda work: put(work, lambda whole: whole[:8] + b"[" + whole[9:]),
    ],
)
def test_a_damaged_plan_is_refused(
    plan: Plan, bank: ReferenceBank, tmp_path: Path, damage: object
) -> None:
    plan.save(tmp_path, bank)
    assert callable(damage)
    damage(tmp_path)
    with pytest.raises(RequestError, match="prepare"):
        Plan.load(tmp_path)


@pytest.mark.parametrize("other", [b"5,", b"7,", b"0,"])
def test_plans_of_other_formats_are_refused(
    plan: Plan, bank: ReferenceBank, tmp_path: Path, other: bytes
) -> None:
    plan.save(tmp_path, bank)
    put(tmp_path, lambda whole: whole.replace(b'\\"format\\": 6,', b'\\"format\\": ' + other, 1))
    with pytest.raises(RequestError, match=r"another version.*prepare"):
        Plan.load(tmp_path)


def test_the_request_of_a_kept_plan_may_change(
    plan: Plan, bank: ReferenceBank, tmp_path: Path
) -> None:
    saved = plan.save(tmp_path, bank)
    asked = replace(plan.request, output="other.mov")
    note_request(tmp_path, asked)
    loaded = Plan.load(tmp_path)
    assert loaded.request == asked
    assert loaded.identity == saved.identity
    np.testing.assert_array_equal(read_references(tmp_path, [1])[1][0], bank.crops[1])


def test_a_window_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    rendered = np.random.default_rng(0).random((5, 128, 256, 3)).astype(np.float16)
    window = "a" * 64
    assert load_window(tmp_path, window) is None
    save_window(tmp_path, window, rendered, "cpu")
    loaded = load_window(tmp_path, window)
    assert loaded is not None
    np.testing.assert_array_equal(loaded, rendered, strict=True)
    assert load_window(tmp_path, "b" * 64) is None
    path = window_path(tmp_path, window)
    path.write_bytes(path.read_bytes()[:-100])
    assert load_window(tmp_path, window) is None
    path.write_bytes(b"")
    assert load_window(tmp_path, window) is None


def test_a_window_with_a_changed_bit_is_taken_away(tmp_path: Path) -> None:
    rendered = np.random.default_rng(0).random((5, 128, 256, 3)).astype(np.float16)
    window = "a" * 64
    save_window(tmp_path, window, rendered, "cpu")
    path = window_path(tmp_path, window)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    assert load_window(tmp_path, window) is None
    assert not path.exists()
    save_window(tmp_path, window, rendered, "cpu")
    remove_other_windows(tmp_path, ["b" * 64])
    assert not path.exists()


def test_windows_say_what_made_them(tmp_path: Path) -> None:
    rendered = np.zeros((5, 128, 256, 3), np.float16)
    save_window(tmp_path, "a" * 64, rendered, "NVIDIA X")
    assert window_device(tmp_path, "a" * 64) == "NVIDIA X"
    assert window_device(tmp_path, "b" * 64) is None
    remove_other_windows(tmp_path, ["a" * 64])
    assert window_device(tmp_path, "a" * 64) == "NVIDIA X"
    path = window_path(tmp_path, "b" * 64)
    path.write_bytes(window_path(tmp_path, "a" * 64).read_bytes())
    assert load_window(tmp_path, "b" * 64) is None  # under another window's name


@pytest.mark.parametrize("wrong", ["shown", "matrices", "references"])
def test_tensors_that_do_not_belong_together_are_refused(
    plan: Plan, bank: ReferenceBank, tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "_names", lambda self, *_: ["a"] * len(self.windows))
    value = getattr(plan, wrong)
    damaged = {"shown": value + 5, "matrices": value[:-1], "references": value + 3}[wrong]
    replace(plan, **{wrong: damaged}).save(tmp_path, bank)
    with pytest.raises(RequestError, match="prepare"):
        Plan.load(tmp_path)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    plan: Plan, bank: ReferenceBank, tmp_path: Path
) -> None:
    rendered = np.zeros((16, 128, 256, 3), np.float16)
    with disk_of(100_000):
        with pytest.raises(DiskError, match="full"):
            save_window(tmp_path, "a" * 64, rendered, "cpu")
        with pytest.raises(DiskError, match="full"):
            plan.save(tmp_path, bank)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_closed_folder_is_one_sentence(plan: Plan, bank: ReferenceBank, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="another place"):
        plan.save(tmp_path / "file" / "work", bank)
