"""A plan: everything that stage 2 needs about one dub, computed once and kept in a work folder.

    WORK/plan.json            request, fingerprint of inputs and models, facts
    WORK/plan.safetensors     tracks, wanted mouths, references
    WORK/windows/*.safetensors  finished windows of rendered crops

A plan file is only ever read back by the engine that knows its format; whatever does not fit is
refused with a sentence. The JSON carries its own hash and that of the tensors, and each window the
hash of its samples and the plan that it belongs to: what was damaged on the way is never shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from stylesync_engine.arrays import Array, Image, Indices
from stylesync_engine.files import file_hash, write_text
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.plan.windows import write_tensors
from stylesync_engine.request import DubRequest, FrameRange, RequestError

FORMAT = 4
_BANK = ("crops", "points", "angles", "frames")
WINDOW = 16  # frames that are rendered, and kept, together
_TIMES_TO_SAVE = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """One dub of T frames of which n show the speaker.

    `shown` `[n]` are their indices in the range; the rest is per shown frame: `matrices`
    `[n, 2, 3]` picture px -> crop px, `before` and `after` `[n, 468, 2]` landmarks in crop px of
    the source and of the wanted face, `motion` `[n, W, P]` the renderer's rows, `references`
    `[n, 2]` and `shares` `[n, 2]` which of the reference bank are mixed, `lacking` `[n]` 0..1 how
    far these cannot show the mouth, `hidden` `[n, 16, 32]` what lies before it. The bank itself
    stays on disk: it is most of the plan, and a window needs a few of its pictures. `fingerprint`
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
    facts: Mapping[str, Any]
    identity: str = ""

    @property
    def windows(self) -> list[range]:
        """Positions in `shown` of the frames that are rendered together."""
        return [
            range(i, min(i + WINDOW, len(self.shown))) for i in range(0, len(self.shown), WINDOW)
        ]

    def save(self, work: Path, bank: ReferenceBank) -> None:
        """Write both files; the JSON last, so that a plan is there only when it is whole.

        Two that save at the same moment may pair one's tensors with the other's JSON; whoever
        comes last sees that, and writes both again.
        """
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
            **{f"bank.{name}": getattr(bank, name) for name in _BANK},
            "bank.patches": np.frombuffer(b"".join(p.packed for p in bank.patches), np.uint8),
            "bank.ends": np.cumsum([0, *(len(p.packed) for p in bank.patches)]),
            "bank.places": np.array([p.place for p in bank.patches], np.float32).reshape(-1, 2, 3),
        }
        tensors_path = work / "plan.safetensors"
        for _ in range(_TIMES_TO_SAVE):
            write_tensors(tensors_path, tensors)
            written = file_hash(tensors_path)
            _write_facts(work, {
                "format": FORMAT,
                "request": json.loads(self.request.to_json()),
                "frames": [self.frames.start, self.frames.end],
                "fingerprint": self.fingerprint,
                "tensors": written,
                "facts": dict(self.facts),
            })  # fmt: skip
            if file_hash(tensors_path) == written:
                return

    @classmethod
    def load(cls, work: Path) -> Plan:
        """The plan in `work`. Raises RequestError where there is no plan, or a damaged one."""
        data = read_plan_facts(work)
        if data is None:
            raise RequestError(f"There is no plan in '{work}'; run stylesync-engine prepare first.")
        path = work / "plan.safetensors"
        try:
            if data["seal"] != _seal(data) or file_hash(path) != data["tensors"]:
                raise RequestError(
                    f"The plan in '{work}' is damaged; run stylesync-engine prepare again."
                )
            with safe_open(path, framework="numpy") as file:
                names = file.keys()
                kept = [name for name in names if not name.startswith("bank.")]
                tensors = {name: file.get_tensor(name) for name in kept}
                bank_size = file.get_slice("bank.crops").get_shape()[0]
            plan = cls(
                request=DubRequest.from_dict(data["request"]),
                frames=FrameRange(*data["frames"]),
                fingerprint=data["fingerprint"],
                facts=data["facts"],
                identity=_digest([data["fingerprint"], data["tensors"]]),
                **tensors,
            )
            plan._check(bank_size)
            return plan
        except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
            raise damaged(work, str(error)) from error

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


@contextmanager
def _bank_of(work: Path) -> Iterator[Any]:
    try:
        with safe_open(work / "plan.safetensors", framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, LookupError, ValueError) as error:
        raise damaged(work, str(error)) from error


def damaged(work: Path, why: str) -> RequestError:
    """That a plan cannot be used, and what to do."""
    return RequestError(
        f"The plan in '{work}' is damaged ({why}); run stylesync-engine prepare again."
    )


def read_references(work: Path, wanted: Iterable[int]) -> dict[int, tuple[Image, Array]]:
    """Crops `[256, 256, 3]` and landmarks `[468, 2]` of the bank's entries of these numbers.

    Raises RequestError where the plan was damaged.
    """
    with _bank_of(work) as file:
        crops, points = file.get_slice("bank.crops"), file.get_slice("bank.points")
        return {i: (crops[i : i + 1][0], points[i : i + 1][0]) for i in map(int, set(wanted))}


def read_patch(work: Path, number: int) -> tuple[Image, Array]:
    """The packed pixels of the bank's entry of this number, and their place `[2, 3]`.

    Raises RequestError where the plan was damaged.
    """
    with _bank_of(work) as file:
        first, end = (int(value) for value in file.get_slice("bank.ends")[number : number + 2])
        place = file.get_slice("bank.places")[number : number + 1][0]
        return file.get_slice("bank.patches")[first:end], place


def note_request(work: Path, request: DubRequest) -> None:
    """Where and how the result is written has changed; what was planned stays."""
    facts = read_plan_facts(work) or {}
    _write_facts(work, {**facts, "request": json.loads(request.to_json())})


def _write_facts(work: Path, data: dict[str, Any]) -> None:
    sealed = {**data, "seal": _seal(data)}
    write_text(work / "plan.json", json.dumps(sealed, indent=2, ensure_ascii=False))


def _seal(data: Mapping[str, Any]) -> str:
    return _digest({name: value for name, value in data.items() if name != "seal"})


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def read_plan_facts(work: Path) -> dict[str, Any] | None:
    """The plan's JSON, or None where there is none or it is of another format."""
    try:
        data = json.loads((work / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and data.get("format") == FORMAT else None
