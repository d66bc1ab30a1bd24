"""Job bundles: their template, their tasks, and the way back onto the timeline."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.batch.farm import (
    Submission,
    check_outputs,
    collect,
    job_data,
    read_submission,
    submit,
)
from stylesync_plugin.jobs import Job, job_from
from stylesync_plugin.planning.planner import PlanSettings
from stylesync_plugin.writing.write_back import TrackNames, list_dubs
from timeline_material import MarkingEngine, clip, timeline, track, write_clip, write_speech

from stylesync_engine.commands.app import main
from stylesync_engine.farm import warm_engine
from stylesync_engine.farm.bundles import keep_outcome, read_bundle, read_outcome, write_bundle
from stylesync_engine.farm.costs import as_step, chunk_seconds
from stylesync_engine.farm.path_mapping import read_path_mapping
from stylesync_engine.farm.tasks import run_task
from stylesync_engine.farm.template import PART, FarmOptions, job_template, plan_steps
from stylesync_engine.farm.warm_engine import Task
from stylesync_engine.request import DubRequest, FrameRange, MediaError, NoFaceError, RequestError

RATE = Fraction(25)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media #1")
    write_clip(folder / "a.mkv", RATE, 60, 1)
    write_speech(folder / "line.wav", 1.0)
    return folder


def submission(media: Path, out: Path) -> Submission:
    cut = timeline(
        track(
            clip("A", media / "a.mkv", 5, 20, 25, (0, 60)),
            clip("B", media / "a.mkv", 30, 25, 25, (0, 60)),
        )
    )
    options = {"codec": "ffv1"}
    jobs = tuple(job_from({"clip": n, "speech": "line.wav"}, n, options) for n in "AB")
    settings = PlanSettings(out / "dubs", (media,))
    return Submission(cut, jobs, settings, out / "out.otio", TrackNames())


def request(media: Path, out: Path, frames: FrameRange, name: str = "out") -> DubRequest:
    return DubRequest.from_dict({
        "video": str(media / "a.mkv"), "speech": str(media / "line.wav"),
        "frames": [frames.start, frames.end], "output": str(out / f"{name}.mkv"),
        "options": {"codec": "ffv1"},
    })  # fmt: skip


def render_on_farm(bundle: Path) -> None:
    for entry in read_bundle(bundle):
        keep_outcome(bundle, entry, MarkingEngine()(entry.request, lambda _: None))


@pytest.mark.parametrize(
    "data",
    [
        {"clip": "A", "speech": "line.wav"},
        {"track": "V1", "index": 2, "speech": {"file": "l.wav", "samples": [3, 9]}},
        {"range": ["01:00:00:00", "01:00:02:00"], "speech": {"track": "A2"}, "style": "r.mov",
         "speaker": "3:4,5", "person": "Ada", "consent": "c.json", "second": "overlay",
         "options": {"seed": 7}},
        {"clip": "A", "range": [3, 9], "speech": {"clip": "S"}, "style": {"clip": "B"}},
    ],
)  # fmt: skip
def test_a_job_survives_its_data(data: dict[str, Any]) -> None:
    job: Job = job_from(data, "x")
    assert job_from(json.loads(json.dumps(job_data(job))), "another") == job


@pytest.mark.parametrize(
    "name",
    ["{{Param.Bundle}}", "{{evil", "a\nb", "$(reboot)", "`x`", "--of", "x" * 200, "\x9f\u2028"],
)
def test_a_folder_s_name_is_no_expression(name: str, media: Path, tmp_path: Path) -> None:
    """What a farm expands, or refuses, comes from the template alone."""
    model = pytest.importorskip("openjd.model")
    folder = tmp_path / name
    submit(submission(media, tmp_path), folder, FarmOptions())
    template = json.loads((folder / "template.json").read_text())
    checked = model.decode_job_template(template=template, supported_extensions=["TASK_CHUNKING"])
    assert "{" not in str(checked.name)
    names = {entry["name"]: entry.get("default") for entry in template["parameterDefinitions"]}
    assert (names["Bundle"], names["Engine"]) == (".", "stylesync-engine")
    job = model.create_job(
        job_template=checked,
        job_parameter_values=model.preprocess_job_parameters(
            job_template=checked, job_parameter_values={"Bundle": str(folder)},
            job_template_dir=folder, current_working_dir=tmp_path,
        ),
    )  # fmt: skip
    for step in job.steps:  # one word each, whatever the folder is called
        arguments = [str(word) for word in step.script.actions.onRun.args]
        assert sum("Param.Bundle" in word for word in arguments) == 1
    assert read_bundle(folder)


def test_template_is_an_open_job_description(media: Path, tmp_path: Path) -> None:
    model = pytest.importorskip("openjd.model")
    submit(submission(media, tmp_path), tmp_path / "job", FarmOptions(gpus=1))
    template = json.loads((tmp_path / "job" / "template.json").read_text())
    checked = model.decode_job_template(template=template, supported_extensions=["TASK_CHUNKING"])
    assert [step.name for step in checked.steps] == ["prepare", "render", "assemble", "write_back"]
    assert "hostRequirements" in template["steps"][1]
    assert "hostRequirements" not in template["steps"][2]
    assets = json.loads((tmp_path / "job" / "asset_references.json").read_text())
    assert str(media / "a.mkv") in assets["assetReferences"]["inputs"]["filenames"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_chunks_of_any_size_render_every_frame_once(
    media: Path, tmp_path: Path, stand_in: ModuleType, size: int
) -> None:
    ranges = [FrameRange(0, 60), FrameRange(7, 8), FrameRange(10, 10 + 2 * PART)]
    job = tmp_path / "job"
    entries = write_bundle([request(media, tmp_path, r, f"o{r.start}") for r in ranges], job)
    total = sum(entry.parts for entry in entries)
    for first in range(1, total + 1, size):
        run_task(job, "render", f"{first}-{min(first + size - 1, total)}")
    rendered: dict[Path, list[int]] = {}
    for call in stand_in.calls:
        if call[0] == "render":
            rendered.setdefault(call[1], []).extend(range(call[2].start, call[2].end))
    assert {
        entry.work: list(range(e.start, e.end)) for entry in entries for e in [entry.frames]
    } == rendered
    assert sum(call[0] == "load" for call in stand_in.calls) == -(-total // size)


def test_a_dub_without_a_face_does_not_stop_the_others(
    media: Path, tmp_path: Path, stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(asked: DubRequest, *_: Any) -> None:
        if "bad" in asked.output:
            raise NoFaceError("There is no face; choose another range.")

    monkeypatch.setattr(stand_in, "prepare", prepare)
    whole = FrameRange(0, PART)
    job = tmp_path / "job"
    entries = write_bundle([request(media, tmp_path, whole, n) for n in ("bad", "good")], job)
    said = ["'bad.mkv': There is no face; choose another range."]
    assert run_task(job, "prepare", "1-2") == said
    run_task(job, "render", "1-2")
    assert [c[1] for c in stand_in.calls if c[0] == "render"] == [entries[1].work]
    with pytest.raises(NoFaceError, match="no face"):
        read_outcome(job, entries[0])


def test_a_worker_that_does_not_see_the_media_fails_the_task_alone(
    tmp_path: Path, stand_in: ModuleType
) -> None:
    write_clip(tmp_path / "a.mkv", RATE, 20, 1)
    write_speech(tmp_path / "line.wav", 1.0)
    (entry,) = write_bundle([request(tmp_path, tmp_path, FrameRange(0, 20))], tmp_path / "job")
    (tmp_path / "a.mkv").rename(tmp_path / "away.mkv")
    with pytest.raises(MediaError, match="does not see"):
        run_task(tmp_path / "job", "prepare", "1")
    with pytest.raises(RequestError, match="not been assembled"):
        read_outcome(tmp_path / "job", entry)


@pytest.mark.parametrize(("own", "device"), [("cuda:3", "cuda:3"), ("", "auto"), (None, "auto")])
def test_a_worker_of_several_gpus_has_its_own(
    media: Path,
    tmp_path: Path,
    stand_in: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    own: str | None,
    device: str,
) -> None:
    write_bundle([request(media, tmp_path, FrameRange(0, PART))], tmp_path / "job")
    if own is not None:
        monkeypatch.setenv("STYLESYNC_DEVICE", own)
    asked: list[str] = []
    monkeypatch.setattr(stand_in, "load_models", lambda _, device: asked.append(device))
    run_task(tmp_path / "job", "prepare", "1")
    assert asked == [device]
    monkeypatch.setenv("STYLESYNC_DEVICE", "gpu seven")
    with pytest.raises(RequestError, match="choose auto, cpu, mps, cuda"):
        run_task(tmp_path / "job", "prepare", "1")


@pytest.mark.parametrize("chunk", ["", "0-1", "2-1", "1-99", "1-", "a", "-1", "1-2-3", "٣"])
def test_wrong_chunks_are_refused(media: Path, tmp_path: Path, chunk: str) -> None:
    write_bundle([request(media, tmp_path, FrameRange(0, 60))], tmp_path / "job")
    with pytest.raises(RequestError):
        run_task(tmp_path / "job", "render", chunk)


def test_collect_puts_what_the_farm_made_where_a_local_batch_puts_it(
    media: Path, tmp_path: Path
) -> None:
    asked = submission(media, tmp_path)
    job = tmp_path / "job"
    submit(asked, job)
    render_on_farm(job)
    found = read_submission(job)
    assert found.jobs == asked.jobs
    batch = collect(job, found)
    local = dub_timeline(asked.timeline, asked.jobs, asked.settings, MarkingEngine())
    assert batch.exit_code == 0
    assert list_dubs(batch.timeline) == list_dubs(local.timeline)
    assert batch.timeline.is_equivalent_to(local.timeline)


@pytest.mark.parametrize("twice", [False, True])
def test_collect_refuses_changed_and_missing_outputs(
    media: Path, tmp_path: Path, twice: bool
) -> None:
    job = tmp_path / "job"
    submit(submission(media, tmp_path), job)
    render_on_farm(job)
    if twice:
        assert collect(job, read_submission(job)).exit_code == 0
    first, second = read_bundle(job)
    damaged = Path(first.request.output)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    Path(second.request.output).unlink()
    batch = collect(job, read_submission(job))
    assert sorted(kind for kind, _ in batch.failures) == ["A", "B"]
    assert all("not the file that was assembled" in str(e) for _, e in batch.failures)
    assert list_dubs(batch.timeline) == []


def test_bundles_are_not_overwritten_and_damage_is_named(media: Path, tmp_path: Path) -> None:
    asked = request(media, tmp_path, FrameRange(0, 20))
    write_bundle([asked], tmp_path / "job")
    with pytest.raises(RequestError, match="already"):
        write_bundle([asked], tmp_path / "job")
    (tmp_path / "job" / "bundle.json").write_text('{"format": 2, "dubs": [{}]}')
    with pytest.raises(RequestError, match="damaged"):
        read_bundle(tmp_path / "job")
    with pytest.raises(RequestError, match="no bundle"):
        read_bundle(tmp_path / "nothing")
    with pytest.raises(RequestError, match="no step"):
        as_step("cook")


def test_the_warm_engine_belongs_to_the_session(media: Path, tmp_path: Path) -> None:
    write_bundle([request(media, tmp_path, FrameRange(0, 60))], tmp_path / "job")
    template = json.loads((tmp_path / "job" / "template.json").read_text())
    (environment,) = template["jobEnvironments"]
    session = "{{Session.WorkingDirectory}}"
    actions = environment["script"]["actions"]
    assert actions["onEnter"]["args"] == ["warm", "start", session]
    assert actions["onExit"]["args"] == ["warm", "stop", session]
    for step in template["steps"]:
        words = step["script"]["actions"]["onRun"]["args"]
        assert words[words.index("--warm") + 1] == session


@pytest.mark.parametrize("workers", [1, 16, 400])
def test_chunks_lose_least_to_starting_and_to_waiting(workers: int) -> None:
    work, overhead = 12_000.0, 0.7

    def lost(seconds: float) -> float:
        return overhead * work / seconds / workers + seconds / 2

    best = min((0.01 * i for i in range(1, 20_000)), key=lost)
    assert chunk_seconds(overhead, work, workers) == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize(
    ("lengths", "workers"),
    [
        ([80], 16),
        ([80], 1),
        ([50] * 12, 4),
        ([300, 40, 30, 20], 2),
        ([40] * 800, 100),
        ([9] * 5, 9),
    ],
)
def test_steps_dub_every_frame_once_and_in_order(lengths: list[int], workers: int) -> None:
    steps = {step.name: step for step in plan_steps(lengths, FarmOptions(workers=workers))}
    shared = steps["render"].last if "render" in steps else 0
    long = steps["prepare"].last if "prepare" in steps else 0
    assert shared == sum(-(-frames // PART) for frames in lengths[:long])
    whole = [n for s in steps.values() if s.does == "dub" for n in range(s.first, s.last + 1)]
    assert sorted([*range(1, long + 1), *whole]) == list(range(1, len(lengths) + 1))
    if "finish" in steps:
        finish, before = steps["finish"], steps["prepare short"]
        assert (finish.first, finish.last) == (before.first, before.last)
        assert finish.after == before.name
    costs = FarmOptions().costs
    most = sum(costs.dub_seconds(frames) for frames in lengths) / workers
    assert all(costs.dub_seconds(frames) <= most for frames in lengths[long:])


def test_steps_depend_on_each_other_as_a_farm_reads_it() -> None:
    model = pytest.importorskip("openjd.model")
    lengths = [2000, *range(80, 30, -1)]
    template = job_template("job", lengths, FarmOptions(workers=8, gpus=1), {"name": "last"})
    steps = {step["name"]: step for step in template["steps"]}
    names = ["prepare", "render", "assemble", "prepare short", "dub", "finish", "last"]
    assert list(steps) == names
    after = {n: [d["dependsOn"] for d in s.get("dependencies", ())] for n, s in steps.items()}
    assert after["render"] == ["prepare"]
    assert after["finish"] == ["prepare short"]
    assert after["last"] == ["assemble", "dub", "finish"]
    assert after["dub"] == []
    words = steps["finish"]["script"]["actions"]["onRun"]["args"]
    assert words[:2] == ["task", "dub"]
    template["steps"].pop()
    model.decode_job_template(template=template, supported_extensions=["TASK_CHUNKING"])


def test_the_longest_dub_is_the_first_task(media: Path, tmp_path: Path) -> None:
    ranges = [FrameRange(3, 10), FrameRange(0, 40), FrameRange(5, 30)]
    asked = [request(media, tmp_path, r, f"o{len(r)}") for r in ranges]
    entries = write_bundle(asked, tmp_path / "job")
    assert [len(entry.frames) for entry in entries] == [40, 25, 7]
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert read_bundle(tmp_path / "job") == entries


def test_a_worker_with_other_paths_runs_the_bundle(
    media: Path, tmp_path: Path, stand_in: ModuleType
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    shutil.copytree(media, here / "media")
    asked = request(here / "media", here, FrameRange(0, 2 * PART))
    write_bundle([asked], here / "job")
    here.rename(there)
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"version": "pathmapping-1.0", "path_mapping_rules": [
        {"source_path_format": "POSIX", "source_path": str(tmp_path), "destination_path": "/no"},
        {"source_path_format": "POSIX", "source_path": str(here), "destination_path": str(there)},
    ]}))  # fmt: skip
    mapping = read_path_mapping(rules)
    run_task(there / "job", "render", "1-2", mapping=mapping)
    assert ("render", there / "job" / "work" / "0001", FrameRange(0, 2 * PART)) in stand_in.calls
    (entry,) = read_bundle(there / "job", mapping)
    assert entry.request.video == str(there / "media" / "a.mkv")
    keep_outcome(there / "job", entry, MarkingEngine()(entry.request, lambda _: None))
    assert check_outputs(there / "job", mapping) == []
    there.rename(here)
    (entry,) = read_bundle(here / "job")
    assert read_outcome(here / "job", entry).output == asked.output


@pytest.mark.parametrize(
    ("source", "path", "mapped"),
    [
        ("WINDOWS|Z:\\Show", "z:\\show\\a\\b.mov", "/mnt/a/b.mov"),
        ("POSIX|/show", "/show/a %04d.png", "/mnt/a %04d.png"),
        ("POSIX|/show", "/shows/a.mov", "/shows/a.mov"),
        ("POSIX|/show", "starter", "starter"),
    ],
)
def test_paths_are_mapped_by_whole_names(
    tmp_path: Path, source: str, path: str, mapped: str
) -> None:
    form, _, folder = source.partition("|")
    rule = {"source_path_format": form, "source_path": folder, "destination_path": "/mnt"}
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"path_mapping_rules": [rule]}))
    assert read_path_mapping(file).map(path) == mapped


@pytest.mark.parametrize(
    "text", ["", "[]", '{"path_mapping_rules": [{}]}', '{"path_mapping_rules": 1}']
)
def test_wrong_rules_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.json").write_text(text)
    with pytest.raises(RequestError, match="path mapping"):
        read_path_mapping(tmp_path / "rules.json")


def test_what_the_machine_is_to_blame_for_is_no_fault_of_the_dub(
    media: Path, tmp_path: Path, stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: Any) -> None:
        raise MediaError("The clip cannot be read.") from OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(stand_in, "prepare", prepare)
    (entry,) = write_bundle([request(media, tmp_path, FrameRange(0, PART))], tmp_path / "job")
    with pytest.raises(MediaError, match="cannot be read"):
        run_task(tmp_path / "job", "prepare", "1")
    with pytest.raises(RequestError, match="not been assembled"):
        read_outcome(tmp_path / "job", entry)


def test_a_session_s_engine_runs_tasks_until_it_is_stopped(media: Path, tmp_path: Path) -> None:
    session = tmp_path / "session"
    session.mkdir()
    write_bundle([request(media, tmp_path, FrameRange(0, PART))], tmp_path / "job")
    wrong = Task(str(tmp_path / "job"), "render", "7-9")
    assert warm_engine.start(session)
    place = session / warm_engine.PLACE
    assert place.stat().st_mode & 0o077 == 0
    pid = json.loads(place.read_text())["pid"]
    for _ in range(2):
        with pytest.raises(RequestError, match="outside of the job"):
            warm_engine.ask(session, wrong, lambda _: None)
    warm_engine.stop(session)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        os.waitpid(pid, 0)
    with pytest.raises(warm_engine.NoWarmEngine):
        warm_engine.ask(session, wrong, lambda _: None)
    with pytest.raises(RequestError, match="outside of the job"):
        warm_engine.run_task(wrong, session, lambda _: None)


def test_the_command_of_a_task_loads_no_library() -> None:
    code = "import sys; from stylesync_engine.commands import task, warm; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "typer", "rich", "pydantic", "click"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("command", ["task", "warm"])
@pytest.mark.parametrize("words", [[], ["--farms"], ["cook", "job", "--of", "1"], ["start", "x"]])
def test_wrong_words_of_a_worker_s_commands_are_one_sentence(
    capsys: pytest.CaptureFixture[str], command: str, words: list[str]
) -> None:
    assert main([command, *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", ["task", "warm"])
def test_a_worker_s_commands_have_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    assert f"Example: stylesync-engine {command}" in capsys.readouterr().out
