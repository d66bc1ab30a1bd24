"""A whole timeline dubbed, stopped, continued, and rendered by melt before and after."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
from places import DATA, ROOT, SUPPORT
from stylesync_plugin.batch.dub_timeline import Batch, BatchProgress, dub_timeline
from stylesync_plugin.batch.engine_process import EngineProcess
from stylesync_plugin.batch.report import draw_sheet, write_report
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.jobs import Job, job_from
from stylesync_plugin.planning.planner import PlanSettings
from timeline_material import (
    Audio,
    MarkingEngine,
    clip,
    dissolve,
    gap,
    needs_melt,
    play,
    ranged,
    read_number,
    timeline,
    track,
    write_clip,
    write_speech,
)

from stylesync_engine.media import probe_video, read_audio, read_frames
from stylesync_engine.request import (
    Cancelled,
    DubRequest,
    MediaError,
    ModelError,
    NoFaceError,
    RequestError,
)
from stylesync_engine.weights.table import find_folder

RATE = Fraction(25)
SPEAKERS = DATA / "speakers"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media #1")
    write_clip(folder / "a.mkv", RATE, 120, 1)
    write_clip(folder / "b.mkv", Fraction(30), 120, 2)
    write_clip(folder / "c.mkv", RATE, 120, 3)
    write_speech(folder / "line.wav", 2.0)
    return folder


def full_cut(media: Path) -> Any:
    """Three clips, a gap, a dissolve, two rates, a nested stack and a clip at double speed."""
    a, b, c = (media / f"{name}.mkv" for name in "abc")
    nest = otio.schema.Stack("nest", source_range=ranged(5, 20, 25))
    nest.append(track(clip("D", a, 60, 40, 25, (0, 120))))
    fast = clip("E", c, 10, 15, 25, (0, 120))
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    main = track(
        clip("A", a, 10, 30, 25, (0, 120)), dissolve(4, 6, 25),
        clip("C", c, 50, 30, 25, (0, 120)), gap(10, 25),
        clip("B", b, 36, 36, 30, (0, 120)), nest, fast, name="Main",
    )  # fmt: skip
    sound = track(clip("A", media / "line.wav", 0, 50, 25, (0, 50)), kind=Audio)
    return timeline(main, sound)


def jobs(*names: str, **data: Any) -> list[Job]:
    options = {"codec": "ffv1"}
    return [job_from({"clip": n, "speech": "line.wav", **data}, n, options) for n in names]


def settings(media: Path, out: Path, **changes: Any) -> PlanSettings:
    return PlanSettings(out / "dubs", (media,), **changes)


def melted(cut: Any, folder: Path, name: str) -> list[np.ndarray]:
    """The luma of every frame as melt renders it."""
    write_timeline(cut, folder / f"{name}.mlt")
    return play(folder / f"{name}.mlt")


def as_melt_shows(path: str, folder: Path) -> list[np.ndarray]:
    """The frames of one file by way of melt, at its own rate."""
    info = probe_video(path)
    alone = clip("x", Path(path), 0, info.frames, info.rate, (0, info.frames))
    return melted(timeline(track(alone)), folder, f"alone_{Path(path).stem}")


@pytest.fixture(scope="module")
def dubbed(media: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Batch, Path]:
    out = tmp_path_factory.mktemp("out")
    cut = full_cut(media)
    batch = dub_timeline(cut, jobs("A", "B", "D", "E"), settings(media, out), MarkingEngine())
    assert not batch.failures, batch.failures
    return cut, batch, out


def test_a_folder_whose_name_is_no_utf_8(media: Path, tmp_path: Path) -> None:
    """Read, planned, conformed, recorded, dubbed, reported, written, read again and removed."""
    folder = tmp_path / os.fsdecode(b"d\xe9p")
    shutil.copytree(media, folder)
    fast = clip("E", Path("/elsewhere/c.mkv"), 10, 15, 25, (0, 120))
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    cut = timeline(track(clip("A", folder / "a.mkv", 10, 30, 25, (0, 120)), fast))
    batch = dub_timeline(cut, jobs("A", "E"), settings(folder, folder), MarkingEngine())
    assert not batch.failures, batch.failures
    write_report(batch, folder / "page.html", "dubs")
    for suffix in (".otio", ".fcpxml", ".xml"):
        write_timeline(batch.timeline, folder / f"dubbed{suffix}")
        again = read_timeline(folder / f"dubbed{suffix}")
        found = [item for item in again.find_clips() if item.name == "A (dubbed)"]
        assert len(found) == 1
    with pytest.raises(RequestError, match=r"UTF-8; write it as \.otio"):
        write_timeline(batch.timeline, folder / "dubbed.mlt")


@needs_melt
def test_melt_shows_the_dubs_where_they_belong_and_nothing_else(
    dubbed: tuple[Any, Batch, Path],
) -> None:
    cut, batch, out = dubbed
    before, after = melted(cut, out, "before"), melted(batch.timeline, out, "after")
    assert len(before) == len(after) == 30 + 30 + 10 + 30 + 20 + 15
    inside: set[int] = set()
    for outcome in batch.outcomes:
        place = outcome.dub.place
        assert outcome.result is not None
        alone = as_melt_shows(outcome.result.output, out)
        first, end = (int(moment * RATE) for moment in (place.seen.start, place.seen.end))
        last = end - 4 if place.clip == "A" else end  # A's last frames dissolve
        for k in (first, first + 1, (first + last) // 2, last - 1):
            offset = place.start - place.first + (k / RATE - place.seen.start)
            index = int(offset * place.rate + Fraction(1, 2))
            assert np.array_equal(after[k], alone[index]), (place.clip, k, index)
            assert not np.array_equal(after[k], before[k]), (place.clip, k)
            assert read_number(after[k]) == read_number(before[k])
        inside |= set(range(first, end + 6 if place.clip == "A" else end))
    for k in set(range(len(before))) - inside:
        assert np.array_equal(after[k], before[k]), k
    assert {69, 100 + 35 - 1} & inside == {134}


@needs_melt
def test_a_dissolve_mixes_the_dub_with_the_other_clip(dubbed: tuple[Any, Batch, Path]) -> None:
    cut, batch, out = dubbed
    mixed = melted(batch.timeline, out, "after")
    plain = melted(cut, out, "before")
    corner = (slice(-6, None), slice(-8, None))
    # The marked corner fades with the clip: its distance to the original shrinks step by step.
    away = [abs(mixed[k][corner].astype(int) - plain[k][corner]).mean() for k in range(26, 36)]
    assert away[0] > 60
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(away))
    assert away[-1] < 25
    assert np.array_equal(mixed[36], plain[36])


def test_the_new_sound_starts_with_its_clip(dubbed: tuple[Any, Batch, Path], media: Path) -> None:
    _, batch, _ = dubbed
    line, rate = read_audio(media / "line.wav")
    by_clip = {outcome.dub.place.clip: outcome for outcome in batch.outcomes}
    for name in "ABDE":
        outcome = by_clip[name]
        assert outcome.result is not None
        place = outcome.dub.place
        sound, _ = read_audio(outcome.result.output)
        late = round((place.start - place.first) * rate)
        length = round(place.span.duration * rate) - late
        heard, meant = sound[:, late : late + length], line[:, :length]
        assert np.abs(heard - meant[:, : heard.shape[1]]).max() < 1e-6
        assert np.abs(sound[:, :late]).max(initial=0) == 0


def test_the_conformed_clip_is_the_source_bit_for_bit(
    dubbed: tuple[Any, Batch, Path], media: Path
) -> None:
    _, batch, _ = dubbed
    [fast] = [outcome.dub for outcome in batch.outcomes if outcome.dub.place.clip == "E"]
    assert fast.conform is not None
    source = [frame.image.planes for frame in read_frames(media / "c.mkv")]
    made = [frame.image.planes for frame in read_frames(fast.conform.output)]
    assert len(made) == 15
    for index, planes in enumerate(made):
        for ours, theirs in zip(planes, source[10 + 2 * index], strict=True):
            assert np.array_equal(ours, theirs)


def test_a_second_run_renders_nothing_and_gives_the_same(
    dubbed: tuple[Any, Batch, Path], media: Path
) -> None:
    cut, batch, out = dubbed
    engine = MarkingEngine()
    again = dub_timeline(cut, jobs("A", "B", "D", "E"), settings(media, out), engine)
    assert engine.calls == []
    assert {outcome.state for outcome in again.outcomes} == {"kept"}
    assert again.timeline.to_json_string() == batch.timeline.to_json_string()


def test_dubs_need_not_be_put_on(media: Path, tmp_path: Path) -> None:
    cut, engine = full_cut(media), MarkingEngine()
    batch = dub_timeline(cut, jobs("A"), settings(media, tmp_path), engine, put_on=False)
    assert batch.outcomes[0].state == "done"
    assert batch.timeline is cut


def test_what_changed_is_rendered_again(media: Path, tmp_path: Path) -> None:
    folder = tmp_path / "media"
    shutil.copytree(media, folder)
    cut, engine = full_cut(folder), MarkingEngine()
    for _ in range(2):
        dub_timeline(cut, jobs("A"), settings(folder, tmp_path), engine)
    assert len(engine.calls) == 1
    write_speech(folder / "line.wav", 2.5)
    dub_timeline(cut, jobs("A"), settings(folder, tmp_path), engine)
    assert len(engine.calls) == 2
    dub_timeline(cut, jobs("A", options={"seed": 3}), settings(folder, tmp_path), engine)
    assert len(engine.calls) == 3
    Path(engine.calls[-1].output).write_bytes(b"half")
    dub_timeline(cut, jobs("A", options={"seed": 3}), settings(folder, tmp_path), engine)
    assert len(engine.calls) == 4


def test_the_same_material_twice_is_rendered_once(media: Path, tmp_path: Path) -> None:
    same = [clip("A", media / "a.mkv", 10, 20, 25, (0, 120)) for _ in range(3)]
    engine = MarkingEngine()
    batch = dub_timeline(
        timeline(track(*same)),
        [job_from({"track": "V1", "index": i, "speech": "line.wav"}, str(i), {"codec": "ffv1"})
         for i in (1, 2, 3)],
        settings(media, tmp_path), engine,
    )  # fmt: skip
    assert len(engine.calls) == 1
    assert len(list(batch.timeline.tracks[1].find_clips())) == 3


def test_a_failing_clip_does_not_stop_the_others(media: Path, tmp_path: Path) -> None:
    def no_face(request: DubRequest) -> None:
        if "b.mkv" in request.video:
            raise NoFaceError("There is no face; choose another range.")

    said: list[BatchProgress] = []
    batch = dub_timeline(
        full_cut(media), jobs("A", "B", "nobody", "D"), settings(media, tmp_path),
        MarkingEngine(fails=no_face), on_progress=said.append,
    )  # fmt: skip
    assert [outcome.state for outcome in batch.outcomes] == ["done", "failed", "done"]
    assert batch.exit_code == 2
    assert {job for job, _ in batch.failures} == {"nobody", "B"}
    names = [entry.name for entry in batch.timeline.find_clips() if "dubbed" in entry.name]
    assert sorted(names) == ["A (dubbed)", "D (dubbed)"]
    assert said[-1].number == said[-1].total == 3
    assert any(step.remaining is not None for step in said)
    write_report(batch, tmp_path / "report.html", "A & B", None)
    page = (tmp_path / "report.html").read_text()
    assert "There is no face" in page
    assert "A &amp; B" in page


def test_the_page_begins_with_the_worst_lips(media: Path, tmp_path: Path) -> None:
    good = {"follows": 0.95, "width": 0.9, "offset": 0.0}
    lips = {"a.mkv": good, "b.mkv": {**good, "follows": 0.3}, "c.mkv": {**good, "offset": 0.1}}
    engine = MarkingEngine()

    def judged(request: DubRequest, on_progress: Any) -> Any:
        return dataclasses.replace(
            engine(request, on_progress), lips=lips[Path(request.video).name]
        )

    batch = dub_timeline(full_cut(media), jobs("A", "B", "C"), settings(media, tmp_path), judged)
    write_report(batch, tmp_path / "report.html", "Lips", None)
    page = (tmp_path / "report.html").read_text()
    places = [page.index(f"<h2>{name}</h2>") for name in ("B", "C", "A")]
    assert places == sorted(places)
    assert "Lips follow the wanted ones to 30%, open 90% as wide, in time." in page
    assert "100 ms late" in page


def test_cancelling_keeps_what_is_finished(media: Path, tmp_path: Path) -> None:
    def cancel(request: DubRequest) -> None:
        if "b.mkv" in request.video:
            raise Cancelled("Enough.")

    batch = dub_timeline(
        full_cut(media), jobs("A", "B", "D"), settings(media, tmp_path), MarkingEngine(fails=cancel)
    )
    assert [outcome.state for outcome in batch.outcomes] == ["done", "cancelled", "cancelled"]
    assert batch.exit_code == 130


def test_a_dub_of_the_wrong_length_is_not_put_on_the_timeline(media: Path, tmp_path: Path) -> None:
    engine = MarkingEngine()

    def short(request: DubRequest, on_progress: Any) -> Any:
        return dataclasses.replace(engine(request, on_progress), frames=3)

    batch = dub_timeline(full_cut(media), jobs("A"), settings(media, tmp_path), short)
    [(_, error)] = batch.failures
    assert isinstance(error, MediaError)
    assert "3 frames" in str(error)


def test_killed_in_the_middle_it_goes_on(media: Path, tmp_path: Path) -> None:
    """kill -9 after two dubs; the next run renders only the rest, and the timeline is the same."""
    write_timeline(full_cut(media), tmp_path / "cut.otio")
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from stylesync_plugin.batch.dub_timeline import dub_timeline
        from stylesync_plugin.batch.engine_process import EngineProcess
        from stylesync_plugin.formats.files import read_timeline, write_timeline
        from test_timeline_batch import jobs, settings
        from timeline_material import MarkingEngine
        media, out, slow = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "slow"
        def wait(request):
            print("dub", flush=True)
            if slow and len(engine.calls) == 3:
                time.sleep(60)
        engine = MarkingEngine(fails=wait)
        cut = read_timeline(out / "cut.otio")
        batch = dub_timeline(cut, jobs("A", "B", "D", "E"), settings(media, out), engine)
        write_timeline(batch.timeline, out / "dubbed.otio")
    """)
    )
    paths = [str(ROOT), str(ROOT / "plugin"), str(SUPPORT), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def start(out: Path, speed: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(media), str(out), speed]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    first = start(tmp_path, "slow")
    assert first.stdout is not None
    for _ in range(3):
        assert first.stdout.readline() == "dub\n"
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    assert not (tmp_path / "dubbed.otio").exists()
    second = start(tmp_path, "fast")
    assert second.communicate(timeout=60)[0].count("dub") == 2
    whole = dub_timeline(
        read_timeline(tmp_path / "cut.otio"), jobs("A", "B", "D", "E"), settings(media, tmp_path),
        MarkingEngine(),
    )  # fmt: skip
    assert (
        read_timeline(tmp_path / "dubbed.otio").to_json_string() == whole.timeline.to_json_string()
    )


# Real people, with the stand-in and with the real engine.


def speaker_cut(folder: Path) -> Any:
    """Five clips of one person: dissolve, gap, a 30-frame rate beside 25, a nest, double speed."""
    files = sorted((SPEAKERS / "s30").glob("*.mpg"))[:3]
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", str(files[1]), "-vf", "fps=30", "-c:v", "ffv1",
         "-c:a", "pcm_s16le", str(folder / "thirty.mkv")], check=True,
    )  # fmt: skip
    one, two, three = files
    thirty, count = folder / "thirty.mkv", probe_video(folder / "thirty.mkv").frames
    nest = otio.schema.Stack("nest", source_range=ranged(5, 30, 25))
    nest.append(track(clip("nested", three, 10, 50, 25, (0, 75))))
    fast = clip("fast", two, 10, 20, 25, (0, 75))
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    return timeline(track(
        clip("one", one, 10, 40, 25, (0, 75)), dissolve(5, 5, 25),
        clip("three", three, 20, 40, 25, (0, 75)), gap(10, 25),
        clip("thirty", thirty, 12, 48, 30, (0, count)), nest, fast,
    ))  # fmt: skip


def check_speakers(tmp_path: Path, engine: Any, options: dict[str, Any]) -> Batch:
    cut = speaker_cut(tmp_path)
    speech = str(sorted((SPEAKERS / "s30").glob("*.mpg"))[5])
    names = ("one", "thirty", "nested", "fast")
    wanted = [job_from({"clip": name, "speech": speech}, name, options) for name in names]
    batch = dub_timeline(cut, wanted, settings(tmp_path, tmp_path), engine)
    assert not batch.failures, batch.failures
    before, after = melted(cut, tmp_path, "before"), melted(batch.timeline, tmp_path, "after")
    assert len(before) == len(after) == 40 + 40 + 10 + 40 + 30 + 20
    inside: set[int] = set()
    for outcome in batch.outcomes:
        place = outcome.dub.place
        assert outcome.result is not None
        alone = as_melt_shows(outcome.result.output, tmp_path)
        first, end = (int(moment * RATE) for moment in (place.seen.start, place.seen.end))
        mixed = 5 if place.clip == "one" else 0
        for k in (first, first + 1, end - mixed - 1):
            offset = place.start - place.first + (k / RATE - place.seen.start)
            index = int(offset * place.rate + Fraction(1, 2))
            assert np.array_equal(after[k], alone[index]), (place.clip, k)
        # Above the mouth a dub is its source: it shows the same moment as the original.
        top = slice(0, after[first].shape[0] // 3)
        middle = (first + end) // 2
        assert np.abs(after[middle][top].astype(int) - before[middle][top]).mean() < 1
        inside |= set(range(first, end + mixed))
    for k in set(range(len(before))) - inside:
        assert np.array_equal(after[k], before[k]), k
    return batch


@pytest.mark.slow
@needs_melt
@pytest.mark.skipif(not SPEAKERS.is_dir(), reason="the speakers' clips are not here")
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_speakers_on_a_timeline(tmp_path: Path) -> None:
    check_speakers(tmp_path, MarkingEngine(), {"codec": "ffv1"})


@pytest.mark.slow
@needs_melt
@pytest.mark.skipif(not SPEAKERS.is_dir(), reason="the speakers' clips are not here")
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.timeout(1200)
def test_speakers_on_a_timeline_with_the_real_engine(tmp_path: Path) -> None:
    try:
        find_folder("starter")
    except ModelError as error:
        pytest.skip(str(error))
    with EngineProcess() as engine:
        batch = check_speakers(tmp_path, engine, {"codec": "ffv1", "quality": "draft"})
    write_report(batch, tmp_path / "report.html", "Speakers", draw_sheet)
    assert len(list((tmp_path / "report_sheets").glob("*.png"))) == 4
