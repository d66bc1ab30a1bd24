"""Some hundred damaged files in every run; `tests/whole/fuzz.py` does the hundred thousand."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path

import pytest
from fuzz import fuzz, run_target
from fuzz_report import LAPS, Report
from fuzz_targets import FAULTS, MANIFEST, TARGETS, make_clips
from timeline_material import write_clip

from stylesync_engine.media import VideoWriter, probe_sound, probe_video, read_frames
from stylesync_engine.request import DubError, MediaError
from stylesync_engine.weights.table import effective, read_manifest

CASES = {"request": 120, "jobs": 60, "records": 40}
WITH_TORCH = ("plan", "protocol", "records", "weights", "credentials")
"""Loading torch once more for a few cases would take longer than they do."""
IN_A_PROCESS = [name for name in TARGETS if name not in ("faulty", *WITH_TORCH)]
READ = [name for name in TARGETS if name != "faulty"]
ONE_BY_ONE = ("media", "records", "farm", "script", "images", "protocol")
"""Their readers refuse their parts each on its own."""


@pytest.mark.parametrize("name", IN_A_PROCESS)
def test_damaged_files_are_read_or_refused(name: str) -> None:
    cases = CASES.get(name, 20)
    done = run_target(name, range(cases), seed=0)
    assert (done.findings, done.next, done.read + done.refused) == ([], cases, cases)


@pytest.mark.parametrize("name", READ)
def test_whole_files_are_read_and_damaged_ones_differ(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = TARGETS[name]
    for folder in ("seeds", "work"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    seeds = target.seeds(tmp_path / "seeds")
    if name != "credentials":  # they are whole, but nobody vouches for their signer
        target.read(seeds[0], tmp_path / "work")
    numbers = range(CASES.get(name, 20))
    cases = [target.damage(random.Random(number), seeds) for number in numbers]  # noqa: S311
    assert len(set(cases) - set(seeds)) >= len(cases) * 3 // 4
    refused = 0
    for case in cases:
        try:
            target.read(case, tmp_path / "work")
        except DubError:
            refused += 1
    assert name in ONE_BY_ONE or refused > 0


FOUND = [
    ("request", b'{"video": "a", "speech": "b", "output": "\\ud800"}'),
    ("otio", b'{"OTIO_SCHEMA": "Timeline.1", "name": "t", "tracks": null}'),
    ("fcpxml", b'<?xml version="1.0" encoding="U-1TF-8"?><fcpxml version="1.10"/>'),
]


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_is_refused(name: str, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(DubError):
        TARGETS[name].read(data, tmp_path)


def test_a_base_with_an_endless_name_is_refused(tmp_path: Path) -> None:
    data = {**MANIFEST, "base": {"models": "x" * 5000, "fingerprint": "0" * 64}}
    (tmp_path / "models.json").write_text(json.dumps(data))
    with pytest.raises(DubError):
        effective(read_manifest(tmp_path))


def test_streams_in_an_unknown_codec_are_left_out_or_refused(tmp_path: Path) -> None:
    movie = make_clips(tmp_path)[0]
    deaf, blind = tmp_path / "deaf.mov", tmp_path / "blind.mov"
    deaf.write_bytes(movie.replace(b"in24", b"zzzz"))
    blind.write_bytes(movie.replace(b"ap4h", b"zzzz"))
    assert (probe_video(deaf).frames, probe_video(deaf).audio) == (4, ())
    with pytest.raises(MediaError, match="no known codec"):
        probe_sound(deaf)
    with pytest.raises(MediaError, match="no known codec"):
        probe_video(blind)
    assert probe_sound(blind).channels == 1


@pytest.mark.parametrize("count", [1, 2])
def test_a_clip_of_a_few_frames_is_stored_by_h265(count: int, tmp_path: Path) -> None:
    base = write_clip(tmp_path / "base.mkv", Fraction(25), count, 1)
    path = tmp_path / "few.mov"
    with VideoWriter(path, probe_video(base), "h265") as writer:
        for frame in read_frames(base):
            writer.write(frame)
    assert [frame.time for frame in read_frames(path)] == [Fraction(i, 25) for i in range(count)]


def test_what_must_not_happen_is_found() -> None:
    cases = range(12)
    done = run_target("faulty", cases, seed=1, seconds=0.3)
    assert done.next == len(cases)
    made = [
        TARGETS["faulty"].damage(random.Random(f"1/faulty/{case}"), FAULTS)  # noqa: S311
        for case in cases
    ]
    assert set(made) == set(FAULTS)
    kinds = {
        b"error": "error", b"crash": "exit -11", b"hang": "hang", b"write": "escape",
        b"network": "escape", b"program": "escape",
    }  # fmt: skip
    found = {finding.case: finding.kind for finding in done.findings}
    assert found == {case: kinds[kind] for case, kind in zip(cases, made, strict=True)}


def test_what_there_is_no_time_for_is_not_counted() -> None:
    done = run_target("request", range(50), seed=0, deadline=0.0)
    assert (done.findings, done.next) == ([], 0)


def test_a_run_goes_on_where_it_stopped_and_shares_its_cases_out(tmp_path: Path) -> None:
    wanted, path = {"request": 40, "jobs": 20}, tmp_path / "report.json"
    begun = Report(3, wanted, path)
    fuzz(begun, minutes=0)
    assert begun.cases == 0
    begun.tallies["request"].cases = 30
    begun.keep()
    goes_on = Report(3, wanted, path)
    assert goes_on.cases == 30
    fuzz(goes_on, minutes=10)
    kept = json.loads(path.read_text())
    assert kept["cases"] == kept["wanted"] == 60
    assert {name: tally["cases"] for name, tally in kept["targets"].items()} == wanted
    request = kept["targets"]["request"]
    assert request["read"] + request["refused"] == 10
    with pytest.raises(SystemExit):
        Report(4, wanted, path)


def test_every_target_gets_to_a_share_before_any_goes_on() -> None:
    goals = Report(0, {"request": 1000, "media": 10}).goals()
    assert goals[:2] == [("request", 1000 * LAPS[0]), ("media", 1)]
    assert goals[-2:] == [("request", 1000), ("media", 10)]
