"""A job bundle: dubs as an Open Job Description job, and the tasks that its workers run.

    DIR/template.json            prepare -> render in chunks -> assemble (-> write back)
    DIR/parameter_values.json    the farm's own parameters (retries)
    DIR/asset_references.json    what goes in and where results go
    DIR/bundle.json              the requests and how many frames each has
    DIR/results/0001.json        what came of a dub: its result and the sha256 of its files

Tasks are counted over the whole job, so that a chunk loads the engine once, whether it holds one
part of a long dub or many short ones: `prepare` and `assemble` count dubs, `render` counts parts
of `PART` frames. A task that runs again finds what is finished; two workers on the same task write
the same bytes.

A worker keeps one engine warm for its whole session (`warm_engine`): starting Python, torch and the
models takes as long as rendering dozens of frames, and each of the three steps would pay it for
each chunk. So chunks can be short, which is what keeps many workers busy to the end.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, get_args

from stylesync_engine.costs import Costs, Stage, chunk_seconds, group_dubs
from stylesync_engine.path_mapping import PathMapping
from stylesync_engine.plan import WINDOW, Plan, file_hash, has_window, write_text
from stylesync_engine.reporting import error_from, is_out_of_memory
from stylesync_engine.request import (
    DubRequest,
    DubResult,
    FrameRange,
    MediaError,
    NoFaceError,
    Progress,
    RequestError,
)
from stylesync_engine.warm_models import WarmModels

FORMAT = 2
PART = WINDOW
"""Frames that one task renders: no two tasks share a window where the face is always seen."""

Say = Callable[[Progress], None]

_CHUNK = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
_TARGET_SECONDS = 60
PATIENCE = 60.0
"""Seconds after which a file that another machine has written is visible on every file server."""

_OWN_FAULTS = (NoFaceError, MediaError, RequestError)
_SOURCES = ("video", "speech", "style", "style_speech", "consent")
_PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True, slots=True)
class FarmOptions:
    """How a farm should run the job.

    `costs` are what a dub costs on such a worker, `workers` how many there may be; `gpus` is what
    a worker that prepares or renders must have, `retries` how often a failed task is tried again.
    """

    gpus: int = 0
    retries: int = 3
    workers: int = 16
    costs: Costs = field(default_factory=Costs)

    def chunks(self, frames: int, dubs: int) -> dict[Stage, int]:
        """Tasks of each step that a worker is given at a time."""
        work = {step: self.costs.step_seconds(step, frames, dubs) for step in get_args(Stage)}
        seconds = chunk_seconds(self.costs.task, sum(work.values()), self.workers)
        tasks = {"prepare": dubs, "render": frames / PART, "assemble": dubs}
        return {
            step: max(1, min(ceil(tasks[step]), round(seconds * tasks[step] / work[step])))
            for step in work
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One dub of a bundle and the source frames that it covers; `output` is where its submitter
    will find the result, which on a worker may lie elsewhere."""

    number: int
    request: DubRequest
    frames: FrameRange
    output: str

    @property
    def work(self) -> Path:
        return Path(self.request.work or "")

    @property
    def parts(self) -> int:
        return -(-len(self.frames) // PART)


def write_bundle(
    requests: Sequence[DubRequest],
    folder: Path,
    options: FarmOptions | None = None,
    last_step: dict[str, Any] | None = None,
) -> tuple[Entry, ...]:
    """Write the job of these dubs; `last_step` runs once they are assembled.

    Raises RequestError where a bundle lies in `folder` already, and whatever is wrong with the
    requests' media.
    """
    if (folder / "bundle.json").exists():
        raise RequestError(f"There is a bundle in '{folder}' already; choose another folder.")
    if not requests:
        raise RequestError("There is nothing to dub; select some clips.")
    options = options or FarmOptions()
    entries = tuple(_entry(i, r, folder.absolute()) for i, r in enumerate(requests, 1))
    (folder / "results").mkdir(parents=True, exist_ok=True)
    _write(folder / "asset_references.json", _assets(entries))
    _write(folder / "parameter_values.json", _farm_parameters(options))
    _write(folder / "template.json", _template(entries, folder, options, last_step))
    _write(folder / "bundle.json", {
        "format": FORMAT,
        "dubs": [
            {
                "request": json.loads(_within_bundle(e.request, folder).to_json()),
                "frames": [e.frames.start, e.frames.end],
            }
            for e in entries
        ],
    })  # fmt: skip
    return entries


def read_bundle(folder: Path, mapping: PathMapping | None = None) -> tuple[Entry, ...]:
    """The dubs of a bundle, their files where this machine sees them.

    Raises RequestError where there is no bundle or it is damaged.
    """
    mapping = mapping or PathMapping()
    try:
        data = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise RequestError(f"The bundle in '{folder}' is of another version; submit again.")
        return tuple(
            _read_entry(i, entry, folder, mapping) for i, entry in enumerate(data["dubs"], 1)
        )
    except OSError as error:
        raise RequestError(f"There is no bundle in '{folder}'; submit one first.") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"The bundle in '{folder}' is damaged; submit again.") from error


def run_task(
    folder: Path,
    stage: Stage,
    chunk: str,
    say: Say = lambda _: None,
    mapping: PathMapping | None = None,
    models: WarmModels | None = None,
) -> list[str]:
    """Run a chunk of tasks, `A-B` or `A`, both ends included; returns what to tell a person.

    A dub that cannot be made for its own reasons (no face, a wrong range) is noted for `collect`
    and does not stop the others. What another worker or another moment may mend is raised.
    """
    entries = read_bundle(folder, mapping)
    first, last = _parse_chunk(chunk)
    total = sum(e.parts for e in entries) if stage == "render" else len(entries)
    if not 1 <= first <= last <= total:
        raise RequestError(f"The tasks {chunk} lie outside of the job's 1-{total}; submit again.")
    worker = _Worker(folder, say, models or WarmModels())
    if stage == "render":
        for entry, frames in _parts(entries, first, last):
            worker.render(entry, frames)
    else:
        for entry in entries[first - 1 : last]:
            (worker.prepare if stage == "prepare" else worker.assemble)(entry)
    return worker.notes


def keep_outcome(folder: Path, entry: Entry, result: DubResult) -> None:
    """Note a finished dub and the sha256 of its files."""
    named = dataclasses.replace(result, output=entry.output).to_dict()
    data = {"result": named, "files": hash_files(result.output)}
    _write(_outcome_path(folder, entry), data)


def read_outcome(folder: Path, entry: Entry) -> DubResult:
    """The result of a finished dub, its files checked against their sha256.

    Raises the error that the dub failed with, or DubError where its files are missing or changed.
    """
    name = Path(entry.request.output).name
    try:
        data = json.loads(_outcome_path(folder, entry).read_text(encoding="utf-8"))
        if "error" in data:
            raise error_from(data["error"])
        result = DubResult.from_dict(data["result"])
        wanted: dict[str, str] = data["files"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RequestError(
            f"'{name}' has not been assembled; run the farm's job again from where it stopped."
        ) from error
    if result.output != entry.output or not wanted:
        raise RequestError(
            f"The result of '{name}' is of another dub; run its assemble task again."
        )
    if hash_files(entry.request.output) != wanted:
        raise MediaError(
            f"'{name}' is not the file that was assembled; run its assemble task again."
        )
    return result


def hash_files(output: str) -> dict[str, str]:
    """sha256 by name of a file, or of the numbered images that a pattern names."""
    path = Path(output)
    if "%" not in path.name:
        return {path.name: file_hash(path)} if path.is_file() else {}
    pieces = re.split(r"%0?\d*d", path.name)
    pattern = re.compile(r"\d+".join(re.escape(piece) for piece in pieces))
    found = path.parent.iterdir() if path.parent.is_dir() else ()
    return {file.name: file_hash(file) for file in sorted(found) if pattern.fullmatch(file.name)}


class _Worker:
    """Runs tasks one after the other on models that are loaded once."""

    def __init__(self, folder: Path, say: Say, models: WarmModels) -> None:
        self.folder, self.say, self.models = folder, say, models
        self.notes: list[str] = []

    def prepare(self, entry: Entry) -> None:
        """Make the plan, or note why this dub cannot be made."""
        from stylesync_engine import dubbing

        _check_sources(entry)
        models = self.models(entry.request.options)
        outcome = _outcome_path(self.folder, entry)
        if self._has_failed(entry):
            outcome.unlink(missing_ok=True)
        try:
            dubbing.prepare(entry.request, entry.work, models, self.say)
        except _OWN_FAULTS as error:
            if _may_pass(error):
                raise
            self.notes.append(f"Dub {entry.number}: {error}")
            _write(outcome, {"error": error.to_dict()})

    def render(self, entry: Entry, frames: FrameRange) -> None:
        from stylesync_engine import dubbing

        plan = self._plan(entry)
        if plan is not None:
            models = self.models(entry.request.options)
            dubbing.render_plan(plan, entry.work, frames, models, self.say)

    def assemble(self, entry: Entry) -> None:
        """Join the windows; those that were lost or damaged are rendered again first."""
        from stylesync_engine import dubbing

        plan = self._plan(entry)
        if plan is None:
            return
        seen = _wait_for(entry.work / "windows", lambda: _all_windows(plan, entry.work))
        for complete in (seen, False):
            if not complete:
                models = self.models(entry.request.options)
                dubbing.render_plan(plan, entry.work, None, models, self.say)
            try:
                result = dubbing.assemble_plan(plan, entry.work, self.say)
            except RequestError:
                if _all_windows(plan, entry.work):
                    raise  # nothing that rendering would mend
                continue
            keep_outcome(self.folder, entry, result)
            return
        raise RequestError(
            f"Frames in '{entry.work}' are damaged again and again; check that disk."
        )

    def _plan(self, entry: Entry) -> Plan | None:
        """The plan that another worker may have made a moment ago; one that was lost or damaged
        is made again. None where the dub cannot be made."""
        from stylesync_engine import dubbing

        _check_sources(entry)
        found: list[Plan] = []

        def look() -> bool:
            if self._has_failed(entry):
                return True
            try:
                found.append(dubbing.read_plan(entry.work, entry.request))
            except RequestError:
                return False
            return True

        if not _wait_for(entry.work, look):
            self.prepare(entry)
            look()
        return found[0] if found else None

    def _has_failed(self, entry: Entry) -> bool:
        try:
            data = json.loads(_outcome_path(self.folder, entry).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(data, dict) and "error" in data


def _wait_for(folder: Path, is_there: Callable[[], bool]) -> bool:
    """Whether it is there, after a minute at most: file servers show each other's files late."""
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() >= deadline:
            return False
        time.sleep(min(0.5, PATIENCE / 10))
        if folder.is_dir():
            list(folder.iterdir())  # what was asked for in vain is remembered until a new listing
    return True


def _all_windows(plan: Plan, work: Path) -> bool:
    return all(has_window(work, window, plan.identity) for window in plan.windows)


def _may_pass(error: BaseException | None) -> bool:
    """Whether the machine, not the media, is to blame: another worker may fare better."""
    while error is not None:
        if is_out_of_memory(error) or getattr(error, "errno", None) in _PASSING:
            return True
        error = error.__cause__
    return False


def _within_bundle(request: DubRequest, folder: Path) -> DubRequest:
    """The work folder as the bundle names it, wherever the bundle itself will lie."""
    work, home = Path(request.work or ""), folder.absolute()
    if not work.is_relative_to(home):
        return request
    return dataclasses.replace(request, work=work.relative_to(home).as_posix())


def _read_entry(number: int, data: Any, folder: Path, mapping: PathMapping) -> Entry:
    asked = DubRequest.from_dict(data["request"])
    here = mapping.map_request(asked)
    here = dataclasses.replace(here, work=str(folder.absolute() / (here.work or "")))
    return Entry(number, here, FrameRange(*data["frames"]), asked.output)


def _entry(number: int, request: DubRequest, folder: Path) -> Entry:
    """The request with absolute paths: a worker's own folder is another."""
    from stylesync_engine.inputs import check_request, probe_clip, resolve_range

    places: dict[str, Any] = {
        name: str(Path(path).absolute())
        for name in _SOURCES
        if (path := getattr(request, name)) is not None
    }
    places["output"] = str(Path(request.output).absolute())
    places["work"] = str(Path(request.work or folder / "work" / f"{number:04d}").absolute())
    request = dataclasses.replace(request, **places)
    check_request(request)
    frames = resolve_range(request, probe_clip(request, request.video))
    return Entry(number, request, frames, request.output)


def _parts(entries: Sequence[Entry], first: int, last: int) -> Iterator[tuple[Entry, FrameRange]]:
    """The frames of each dub that the parts `first` to `last`, counted from 1, cover."""
    begin = 1
    for entry in entries:
        low, high = max(first, begin) - begin, min(last, begin + entry.parts - 1) - begin
        if low <= high:
            start = entry.frames.start + low * PART
            end = min(entry.frames.start + (high + 1) * PART, entry.frames.end)
            yield entry, FrameRange(start, end)
        begin += entry.parts


def _parse_chunk(chunk: str) -> tuple[int, int]:
    found = _CHUNK.fullmatch(chunk)
    if not found:
        raise RequestError(f"'{chunk}' is no chunk of tasks; write A-B, for example 1-25.")
    return int(found[1]), int(found[2] or found[1])


def _template(
    entries: Sequence[Entry], folder: Path, options: FarmOptions, last_step: dict[str, Any] | None
) -> dict[str, Any]:
    chunks = options.chunks(sum(len(entry.frames) for entry in entries), len(entries))
    groups = group_dubs(len(entries), options.workers)
    grouped = [_group_steps(entries, group, options, chunks) for group in groups]
    # All to prepare first: what comes after it fills the ends of its groups.
    steps = [step for stage in zip(*grouped, strict=True) for step in stage]
    ends = [{"dependsOn": step["name"]} for step in steps if step["name"].startswith("assemble")]
    if last_step is not None:
        steps.append({**last_step, "dependencies": ends})
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": f"StyleSync {folder.absolute().name}"[:128],
        "parameterDefinitions": [
            {
                "name": "Bundle", "type": "PATH", "objectType": "DIRECTORY", "dataFlow": "INOUT",
                "default": ".", "description": "This folder, where every worker sees it.",
            },
            {
                "name": "Engine", "type": "STRING", "default": "stylesync-engine",
                "description": "The engine's command on the workers.",
            },
            {
                "name": "PartsPerChunk", "type": "INT", "minValue": 1,
                "default": chunks["render"],
                "description": f"Parts of {PART} frames that a worker renders at a time.",
            },
        ],
        "jobEnvironments": [_warm_engine()],
        "steps": steps,
    }  # fmt: skip


def _warm_engine() -> dict[str, Any]:
    """An environment of the job, not of a step: the models stay loaded from step to step."""
    actions = {
        event: {
            "command": "{{Param.Engine}}",
            "args": ["warm", word, "{{Session.WorkingDirectory}}"],
        }
        for event, word in (("onEnter", "start"), ("onExit", "stop"))
    }
    return {"name": "warm engine", "script": {"actions": actions}}


def _group_steps(
    entries: Sequence[Entry], group: range, options: FarmOptions, chunks: dict[Stage, int]
) -> list[dict[str, Any]]:
    """The steps of some of the dubs; tasks are counted over the whole job."""
    whole = len(group) == len(entries)
    end = "" if whole else f" {group.start + 1}-{group.stop}"
    before = sum(entry.parts for entry in entries[: group.start])
    parts = sum(entry.parts for entry in entries[group.start : group.stop])
    dubs, rendered = (group.start + 1, group.stop), (before + 1, before + parts)
    return [
        _step("prepare", end, dubs, chunks["prepare"], options.gpus),
        _step("render", end, rendered, "{{Param.PartsPerChunk}}", options.gpus, after="prepare"),
        _step("assemble", end, dubs, chunks["assemble"], 0, after="render"),
    ]


def _step(
    name: Stage, end: str, tasks: tuple[int, int], chunk: int | str, gpus: int, after: str = ""
) -> dict[str, Any]:
    step: dict[str, Any] = {
        "name": name + end,
        "parameterSpace": {"taskParameterDefinitions": [{
            "name": "Task", "type": "CHUNK[INT]", "range": f"{tasks[0]}-{tasks[1]}",
            "chunks": {
                "defaultTaskCount": chunk, "targetRuntimeSeconds": _TARGET_SECONDS,
                "rangeConstraint": "CONTIGUOUS",
            },
        }]},
        "script": {"actions": {"onRun": {
            "command": "{{Param.Engine}}",
            "args": [
                "task", name, "{{Param.Bundle}}", "--of", "{{Task.Param.Task}}", "--farm",
                "--warm", "{{Session.WorkingDirectory}}",
                "--path-rules", "{{Session.PathMappingRulesFile}}",
            ],
            "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 15},
        }}},
    }  # fmt: skip
    if after:
        step["dependencies"] = [{"dependsOn": after + end}]
    if gpus:
        step["hostRequirements"] = {"amounts": [{"name": "amount.worker.gpu", "min": gpus}]}
    return step


def _assets(entries: Sequence[Entry]) -> dict[str, Any]:
    files = {getattr(e.request, name) for e in entries for name in _SOURCES} - {None}
    patterns = {file for file in files if "%" in Path(file).name}
    folders = {str(Path(e.request.output).parent) for e in entries} | {str(e.work) for e in entries}
    return {"assetReferences": {
        "inputs": {
            "filenames": sorted(files - patterns),
            "directories": sorted({str(Path(file).parent) for file in patterns}),
        },
        "outputs": {"directories": sorted(folders)},
        "referencedPaths": [],
    }}  # fmt: skip


def _farm_parameters(options: FarmOptions) -> dict[str, Any]:
    retries = {"name": "deadline:maxRetriesPerTask", "value": options.retries}
    return {"parameterValues": [retries]}


def _check_sources(entry: Entry) -> None:
    """A file that this worker does not see is no fault of the dub."""
    for path in (getattr(entry.request, name) for name in _SOURCES):
        if path is not None and "%" not in Path(path).name and not Path(path).exists():
            raise MediaError(f"This worker does not see '{path}'; mount its folder there.")


def _outcome_path(folder: Path, entry: Entry) -> Path:
    return folder / "results" / f"{entry.number:04d}.json"


def _write(path: Path, data: Any) -> None:
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
