"""Every file that a dub reads and every file that it will write: none may be both."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_args

from stylesync_engine.files import Written, plain_name, refuse_overwriting
from stylesync_engine.media import files_of
from stylesync_engine.media.codecs import IMAGES
from stylesync_engine.media.sequences import delivered_names, sequence_folder, sound_name
from stylesync_engine.media.sound import is_own_sound
from stylesync_engine.origin.people import PERSON_FILE, consent_of, find_person
from stylesync_engine.origin.picture_hashes import sidecar_of
from stylesync_engine.plan.clock import kept_seconds
from stylesync_engine.plan.sources import appearance_clip
from stylesync_engine.plan.windows import WINDOW_FILE
from stylesync_engine.request import DubRequest, MediaError, RequestError, Stage

_CLIPS = ("video", "speech", "style", "style_speech", "consent")
_PLAN_FILES = ("plan.safetensors", "seconds.json")
_DRAFT = r"\..+-[0-9a-f]{6}\.part(\..*)?"  # what a crash left behind
_KEPT = re.compile("|".join([*map(re.escape, _PLAN_FILES), _DRAFT]))
_WINDOWS = re.compile(rf"{WINDOW_FILE.pattern}|{_DRAFT}")


def check_places(request: DubRequest) -> None:
    """Raise RequestError where the dub would write over what it reads, or over a file beside its
    output that is not StyleSync's. Nothing is opened but a sound that lies in the way."""
    works = work_folders(request)
    kept = [written for work in works for written in _kept(work)]
    refuse_overwriting(_files_read(request), [*_delivered(request), *kept])
    _refuse_foreign_sound(request)
    for work in works:
        _refuse_foreign_work(work)


def check_batch(requests: Sequence[DubRequest], further: Iterable[Path] = ()) -> None:
    """The same of dubs that are made together, and of the `further` files that are written with
    them: none may be what any of the dubs reads, and no two dubs may write the same file.

    What one of them reads may yet have to be made; whether it is there, `check_places` sees.
    """
    reads: dict[str, list[Path]] = defaultdict(list)
    outputs: dict[tuple[Path, str], DubRequest] = {}
    written = [Written.one(path.absolute()) for path in further]
    for request in requests:
        for role, path in _clips(request):
            with suppress(MediaError):
                reads[role] += files_of(path)
        written += _delivered(request)
        written += [kept for work in work_folders(request) for kept in _kept(work)]
        if outputs.setdefault(_own_place(request), request) != request:
            raise RequestError(
                f"Two dubs would write '{request.output}'; give one of them another name.",
                "output",
            )
    refuse_overwriting(reads, written)


def _own_place(request: DubRequest) -> tuple[Path, str]:
    """What no other dub may have: a folder, and the plain name of the movie, or of the sound beside
    images, which every spelling of theirs shares."""
    output = Path(request.output).resolve()
    if request.options.codec in IMAGES:
        return sequence_folder(output), plain_name(sound_name(output))
    return output.parent, plain_name(output.name)


def work_folder(request: DubRequest) -> Path:
    """Where the plan and its windows are kept: each output has its own folder beside it, so that
    two jobs never share one."""
    output = Path(request.output).absolute()
    return Path(request.work or output.with_name(f".{output.name}.stylesync"))


def work_folders(request: DubRequest, work: Path | None = None) -> list[Path]:
    """Where the plan of each face is kept, this request's own first: in `work`, where it is given,
    as a farm's is."""
    own = work or work_folder(request)
    others = (Path(other.work) if other.work else None for other in request.faces[1:])
    return [own, *(place or own / f"beside-{n}" for n, place in enumerate(others, 1))]


def remove_work(work: Path) -> None:
    """Take away what a dub has kept; a folder that holds anything else stays."""
    for kept in _kept(work):
        for path in [*kept.existing()]:
            path.unlink(missing_ok=True)
    for folder in (work / "windows", work):
        try:
            folder.rmdir()
        except OSError:
            return


def _files_read(request: DubRequest) -> dict[str, list[Path]]:
    """Each clip's files, images of a sequence included, by the clip's role."""
    found: dict[str, list[Path]] = defaultdict(list)
    for role, path in _clips(request):
        found[role] += files_of(path)
    return found


def _clips(request: DubRequest) -> Iterator[tuple[str, str]]:
    """Every clip that some face is dubbed from, by its role."""
    for face in request.faces:
        yield from _clips_of(face).items()


def _clips_of(request: DubRequest) -> dict[str, str]:
    clips = {role: getattr(request, role) for role in _CLIPS}
    clips["appearance"] = appearance_clip(request.options.appearance)[0]
    person = find_person(request.person)
    clips["person"] = person and str(person / PERSON_FILE)
    clips["consent"] = consent_of(request)
    return {role: path for role, path in clips.items() if path}


def _delivered(request: DubRequest) -> list[Written]:
    output = Path(request.output).absolute()
    written = [Written.one(output), Written.one(sidecar_of(output))]
    if request.options.codec in IMAGES:
        written.append(Written(sequence_folder(output), delivered_names(output)))
    return written


def _kept(work: Path) -> list[Written]:
    return [Written(work, _KEPT), Written(work / "windows", _WINDOWS)]


def _refuse_foreign_sound(request: DubRequest) -> None:
    """The name of the sound beside images is not the caller's choice: what it would replace is."""
    if request.options.codec not in IMAGES:
        return
    output = Path(request.output).absolute()
    folder, name = sequence_folder(output), Path(sound_name(output))
    further = r"(\.\d+)?" if request.options.keep_sound else ""
    sounds = Written(folder, re.compile(rf"{re.escape(name.stem.casefold())}{further}\.wav"))
    for path in sounds.existing():
        try:
            ours = path.is_file() and is_own_sound(path)
        except OSError as error:
            raise MediaError(f"'{path}' cannot be read; move it away.") from error
        if not ours:
            raise RequestError(
                f"The dub's sound would replace '{path}', which is not StyleSync's; move it away,"
                " or choose another output."
            )


def _refuse_foreign_work(work: Path) -> None:
    """What lies there without a plan is ours only where it says what we write: a plan may have been
    taken away while somebody was at work."""
    plan, rest = (work / name for name in _PLAN_FILES)
    stages = kept_seconds(work).keys()
    ours = stages and stages <= {*get_args(Stage)}
    if rest.exists() and not plan.exists() and not ours:
        raise RequestError(
            f"'{rest}' is of no plan of StyleSync, and would be replaced; give another work folder."
        )
