"""A plan: everything that stage 2 needs about one dub, computed once and kept in a work folder.

    WORK/plan.safetensors       tracks, wanted mouths, references; request and facts in its header
    WORK/windows/*.safetensors  finished windows of rendered crops

A plan file is only ever read back by the engine that knows its format; whatever does not fit is
refused with a sentence. The header carries its own hash, that of the tensors, and the windows'
names, and each window the hash of its samples: what was damaged on the way is never shown. A window
is named by all that it is rendered from: a plan that changes in a few frames has the other windows
already.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from stylesync_engine.arrays import Array, Image, Indices
from stylesync_engine.faces.landmarker import MESH_POINTS
from stylesync_engine.mouth.likeness import Correction
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.plan.identity import rendering_inputs
from stylesync_engine.plan.windows import get_tensor, open_tensors, write_tensors
from stylesync_engine.records import as_data, read
from stylesync_engine.request import DubRequest, Fit, FrameRange, RequestError

FORMAT = 6
_FILE = "plan.safetensors"
_ROWS = ("matrices", "before", "after", "motion", "shares", "lacking", "hidden")
_BANK = ("crops", "points", "angles", "frames")
_FIT = ("place", "corner", "components", "changes")
WINDOW = 16  # frames that are rendered, and kept, together


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a plan beside its tensors.

    `inputs` are what it was made of (`describe_inputs`), `passed_through` half-open ranges of
    output frames that stay as they are, `sound_offsets` how late sounds are, s, by their role,
    `fit` how `best` was fitted to the person, `typical` the number of the reference that the
    networks know the person by: the nearest to all, whatever is said.
    """

    models: str = ""
    models_fingerprint: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    passed_through: tuple[tuple[int, int], ...] = ()
    sound_offsets: dict[str, float] | None = None
    fit: Fit | None = None
    typical: int = 0


@dataclass(frozen=True, slots=True)
class _Header:
    """What the file says beside its tensors, `tensors` being their sha256; `names` of windows."""

    format: int
    request: DubRequest
    frames: FrameRange
    fingerprint: str
    tensors: str
    facts: Facts
    names: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        return _digest([self.fingerprint, self.tensors])

    def metadata(self) -> dict[str, str]:
        data = as_data(self)
        return {"plan": json.dumps({**data, "seal": _digest(data)}, sort_keys=True)}


@dataclass(frozen=True, slots=True)
class Plan:
    """One dub of T frames of which n show the speaker.

    `shown` `[n]` are their indices in the range; the rest is per shown frame: `matrices`
    `[n, 2, 3]` picture px -> crop px, `before` and `after` `[n, 468, 2]` landmarks in crop px of
    the source and of the wanted face, `motion` `[n, W, P]` the renderer's rows, `references`
    `[n, 2]` and `shares` `[n, 2]` which of the reference bank are mixed, `lacking` `[n]` 0..1 how
    far these cannot show the mouth, `hidden` `[n, 16, 32]` what lies before it; `mesh` is a
    face `[468, 2]` whose triangles serve for the whole dub, whatever is said. The bank stays on
    disk: it is most of the plan, and a window needs a few of its pictures. `fingerprint`
    is that of what went in; `identity`, of a plan that was loaded, also that of what came out, so
    that windows of two plans of the same inputs that differ in their last bits are never mixed.
    """

    request: DubRequest
    frames: FrameRange
    fingerprint: str
    shown: Indices
    matrices: Array
    before: Array
    after: Array
    motion: Array
    references: Indices
    shares: Array
    lacking: Array
    hidden: Image
    mesh: Array
    facts: Facts = Facts()
    identity: str = ""
    names: tuple[str, ...] = ()

    @property
    def windows(self) -> list[range]:
        """Positions in `shown` of the frames that are rendered together: those of each `WINDOW`
        frames of the range, so that a frame that is left out moves no other."""
        cuts = np.flatnonzero(np.diff(self.shown // WINDOW)) + 1
        edges = [0, *cuts.tolist(), len(self.shown)]
        return [range(first, end) for first, end in pairwise(edges)]

    @property
    def named_windows(self) -> dict[str, range]:
        """The windows of a plan that was loaded by their names."""
        return dict(zip(self.names, self.windows, strict=True))

    def window_at(self, position: int) -> tuple[str, range]:
        """The name and the window that this position lies in."""
        return next(found for found in self.named_windows.items() if position in found[1])

    def parts(self, window: range, together: int) -> list[range]:
        """A window cut into at most `together` positions of successive frames."""
        gaps = np.flatnonzero(np.diff(self.shown[window.start : window.stop]) > 1) + 1
        edges = [window.start, *(window.start + gaps).tolist(), window.stop]
        return [
            range(i, min(i + together, end))
            for first, end in pairwise(edges)
            for i in range(first, end, together)
        ]

    def save(self, work: Path, bank: ReferenceBank, correction: Correction | None = None) -> Plan:
        """Write the plan, which appears when it is whole; returns it as it would be loaded."""
        tensors: dict[str, NDArray[Any]] = {
            "shown": self.shown,
            "matrices": self.matrices,
            "before": self.before,
            "after": self.after,
            "motion": self.motion,
            "references": self.references,
            "shares": self.shares,
            "lacking": self.lacking,
            "hidden": self.hidden,
            "mesh": self.mesh,
            **bank_tensors(bank),
        }
        if correction is not None:
            tensors |= {f"fit.{name}": getattr(correction, name) for name in _FIT}
        digest = hash_tensors(sorted(tensors.items()))
        names = tuple(self._names(bank, correction))
        header = _Header(
            FORMAT, self.request, self.frames, self.fingerprint, digest, self.facts, names
        )
        write_tensors(work / _FILE, tensors, header.metadata())
        return replace(self, identity=header.identity, names=names)

    def _names(self, bank: ReferenceBank, correction: Correction | None) -> Iterator[str]:
        """A digest of all that each window's pixels come from: the source, the models, and what
        this plan says of its frames; the references' pictures, not their numbers."""
        common = {
            "made of": rendering_inputs(self.facts.inputs),
            "mesh": hash_tensors([("mesh", self.mesh)]),
            "fit": correction and hash_tensors((n, getattr(correction, n)) for n in _FIT[:-1]),
            "typical": hash_tensors([("crop", bank.crops[self.facts.typical])]),
        }
        for window in self.windows:
            part = slice(window.start, window.stop)
            rows = {name: getattr(self, name)[part] for name in _ROWS}
            rows["frames"] = self.frames.start + self.shown[part]
            used = self.references[part][self.shares[part] > 0]
            rows["crops"], rows["points"] = bank.crops[used], bank.points[used]
            if correction is not None:
                rows["changes"] = correction.changes[part]
            yield _digest([common, hash_tensors(sorted(rows.items()))])

    @classmethod
    def load(cls, work: Path) -> Plan:
        """The plan in `work`. Raises RequestError where there is no plan, or a damaged one."""
        kept: dict[str, Any] = {}
        with _opened(work) as file:
            header = _header_of(file, work)

            def tensors() -> Iterator[tuple[str, NDArray[Any]]]:
                """One after the other, the bank's and the fit's not kept."""
                for name in sorted(file.keys()):
                    values = get_tensor(file, name)
                    if not name.startswith(("bank.", "fit.")):
                        kept[name] = values
                    yield name, values

            if hash_tensors(tensors()) != header.tensors:
                raise ValueError("its tensors were changed")
            plan = cls(
                request=header.request, frames=header.frames, fingerprint=header.fingerprint,
                facts=header.facts, identity=header.identity, names=header.names, **kept,
            )  # fmt: skip
            plan._check(file.get_slice("bank.crops").get_shape()[0])
            return plan

    def _check(self, bank_size: int) -> None:
        """Raises ValueError where the tensors do not belong together."""
        count = len(self.shown)
        rows = (self.matrices, self.before, self.after, self.motion)
        mixed = (self.references, self.shares, self.lacking, self.hidden)
        if not count or any(len(row) != count for row in (*rows, *mixed)):
            raise ValueError("its tensors have different lengths")
        if (np.diff(self.shown) <= 0).any() or not 0 <= self.shown[0] <= self.shown[-1] < len(
            self.frames
        ):
            raise ValueError("its frames lie outside of the range")
        if self.references.min() < 0 or self.references.max() >= bank_size:
            raise ValueError("it names references that it does not hold")
        if self.mesh.shape != (MESH_POINTS, 2):
            raise ValueError("its mesh is none")
        if len(self.names) != len(self.windows):
            raise ValueError("it does not name its windows")


@contextmanager
def _opened(work: Path) -> Iterator[Any]:
    """The plan's file; whatever is wrong with it becomes a RequestError."""
    path = work / _FILE
    if not path.exists():
        raise RequestError(f"There is no plan in '{work}'; run stylesync-engine prepare first.")
    try:
        with open_tensors(path) as file:
            yield file
    except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
        raise damaged(work, str(error)) from error


def damaged(work: Path, why: str) -> RequestError:
    """That a plan cannot be used, and what to do."""
    return RequestError(
        f"The plan in '{work}' is damaged ({why}); run stylesync-engine prepare again."
    )


def _header_of(file: Any, work: Path) -> _Header:
    """Raises RequestError for a plan of another format, ValueError for a damaged one."""
    data = json.loads((file.metadata() or {}).get("plan", "{}"))
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RequestError(
            f"The plan in '{work}' is of another version of StyleSync;"
            " run stylesync-engine prepare again."
        )
    seal = data.pop("seal", None)
    if seal != _digest(data):
        raise ValueError("its header was changed")
    return read(_Header, data, "plan")


def bank_tensors(bank: ReferenceBank) -> dict[str, NDArray[Any]]:
    """A bank as a file holds it."""
    return {
        **{f"bank.{name}": getattr(bank, name) for name in _BANK},
        "bank.patches": np.frombuffer(b"".join(p.packed for p in bank.patches), np.uint8),
        "bank.ends": np.cumsum([0, *(len(p.packed) for p in bank.patches)]),
        "bank.places": np.array([p.place for p in bank.patches], np.float32).reshape(-1, 2, 3),
    }


def read_references(work: Path, wanted: Iterable[int]) -> dict[int, tuple[Image, Array]]:
    """Crops `[256, 256, 3]` and landmarks `[468, 2]` of the bank's entries of these numbers.

    Raises RequestError where the plan was damaged.
    """
    with _opened(work) as file:
        crops, points = file.get_slice("bank.crops"), file.get_slice("bank.points")
        return {i: (crops[i : i + 1][0], points[i : i + 1][0]) for i in map(int, set(wanted))}


def read_patch(work: Path, number: int) -> tuple[Image, Array]:
    """The packed pixels of the bank's entry of this number, and their place `[2, 3]`.

    Raises RequestError where the plan was damaged.
    """
    with _opened(work) as file:
        first, end = (int(value) for value in file.get_slice("bank.ends")[number : number + 2])
        place = file.get_slice("bank.places")[number : number + 1][0]
        return file.get_slice("bank.patches")[first:end], place


def read_correction(work: Path) -> Correction | None:
    """What a fit to the person corrects; None in a plan without one.

    Raises RequestError where the plan was damaged.
    """
    with _opened(work) as file:
        if f"fit.{_FIT[0]}" not in file.keys():  # noqa: SIM118
            return None
        return Correction(*(get_tensor(file, f"fit.{name}") for name in _FIT))


def note_request(work: Path, request: DubRequest) -> None:
    """Where and how the result is written has changed; what was planned stays."""
    with _opened(work) as file:
        header = replace(_header_of(file, work), request=request)
        tensors = {name: get_tensor(file, name) for name in file.keys()}  # noqa: SIM118
    write_tensors(work / _FILE, tensors, header.metadata())


def hash_tensors(tensors: Iterable[tuple[str, NDArray[Any]]]) -> str:
    """sha256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, values in tensors:
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
