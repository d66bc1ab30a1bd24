"""A plan: everything that stage 2 needs about one dub, computed once and kept in a work folder.

    WORK/plan.json            request, fingerprint of inputs and models, facts
    WORK/plan.safetensors     tracks, wanted mouths, references
    WORK/windows/*.safetensors  finished windows of rendered crops

A plan file is only ever read back by the engine that knows its format; whatever does not fit is
refused with a sentence.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stylesync_engine.appearance import Indices, ReferenceBank
from stylesync_engine.delivery import disk_errors
from stylesync_engine.request import DubRequest, FrameRange, RequestError

Array = NDArray[np.float32]
Image = NDArray[np.uint8]

FORMAT = 1
_BANK = ("crops", "points", "angles", "frames")
WINDOW = 16  # frames that are rendered, and kept, together


@dataclass(frozen=True, slots=True)
class Plan:
    """One dub of T frames of which n show the speaker.

    `shown` `[n]` are their indices in the range; the rest is per shown frame: `matrices`
    `[n, 2, 3]` picture px -> crop px, `before` and `after` `[n, 468, 2]` landmarks in crop px of
    the source and of the wanted face, `motion` `[n, W, P]` the renderer's rows, `references`
    `[n, 2]` and `shares` `[n, 2]` which of the reference bank are mixed. The bank itself stays on
    disk: it is most of the plan, and a window needs a few of its pictures.
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
    facts: Mapping[str, Any]

    @property
    def windows(self) -> list[range]:
        """Positions in `shown` of the frames that are rendered together."""
        return [
            range(i, min(i + WINDOW, len(self.shown))) for i in range(0, len(self.shown), WINDOW)
        ]

    def save(self, work: Path, bank: ReferenceBank) -> None:
        """Write both files; the JSON last, so that a plan is there only when it is whole."""
        tensors: dict[str, NDArray[Any]] = {
            "shown": self.shown,
            "matrices": self.matrices,
            "before": self.before,
            "after": self.after,
            "motion": self.motion,
            "references": self.references,
            "shares": self.shares,
            **{f"bank.{name}": getattr(bank, name) for name in _BANK},
        }
        write_tensors(work / "plan.safetensors", tensors)
        data = {
            "format": FORMAT,
            "request": json.loads(self.request.to_json()),
            "frames": [self.frames.start, self.frames.end],
            "fingerprint": self.fingerprint,
            "tensors": file_hash(work / "plan.safetensors"),
            "facts": dict(self.facts),
        }
        write_text(work / "plan.json", json.dumps(data, indent=2, ensure_ascii=False))

    @classmethod
    def load(cls, work: Path) -> Plan:
        """The plan in `work`. Raises RequestError where there is no plan, or a damaged one."""
        data = read_plan_facts(work)
        if data is None:
            raise RequestError(f"There is no plan in '{work}'; run stylesync-engine prepare first.")
        path = work / "plan.safetensors"
        try:
            if file_hash(path) != data["tensors"]:
                raise RequestError(
                    f"The plan in '{work}' is damaged; run stylesync-engine prepare again."
                )
            with safe_open(path, framework="numpy") as file:
                names = file.keys()
                kept = [name for name in names if not name.startswith("bank.")]
                tensors = {name: file.get_tensor(name) for name in kept}
            return cls(
                request=DubRequest.from_dict(data["request"]),
                frames=FrameRange(*data["frames"]),
                fingerprint=data["fingerprint"],
                facts=data["facts"],
                **tensors,
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RequestError(
                f"The plan in '{work}' is damaged ({error}); run stylesync-engine prepare again."
            ) from error


def read_references(work: Path, wanted: Iterable[int]) -> dict[int, tuple[Image, Array]]:
    """Crops `[256, 256, 3]` and landmarks `[468, 2]` of the bank's entries of these numbers.

    Raises RequestError where the plan was damaged.
    """
    try:
        with safe_open(work / "plan.safetensors", framework="numpy") as file:
            crops, points = file.get_slice("bank.crops"), file.get_slice("bank.points")
            return {i: (crops[i : i + 1][0], points[i : i + 1][0]) for i in map(int, set(wanted))}
    except (OSError, SafetensorError, IndexError) as error:
        raise RequestError(
            f"The plan in '{work}' is damaged ({error}); run stylesync-engine prepare again."
        ) from error


def note_request(work: Path, request: DubRequest) -> None:
    """Where and how the result is written has changed; what was planned stays."""
    data = {**(read_plan_facts(work) or {}), "request": json.loads(request.to_json())}
    write_text(work / "plan.json", json.dumps(data, indent=2, ensure_ascii=False))


def read_plan_facts(work: Path) -> dict[str, Any] | None:
    """The plan's JSON, or None where there is none or it is of another format."""
    try:
        data = json.loads((work / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and data.get("format") == FORMAT else None


def window_path(work: Path, window: range) -> Path:
    return work / "windows" / f"{window.start:08d}-{window.stop:08d}.safetensors"


def save_window(work: Path, window: range, fingerprint: str, rendered: NDArray[np.float16]) -> None:
    """Keep rendered lower crops `[n, rows, 256, 3]`; the file appears only when it is whole."""
    write_tensors(window_path(work, window), {"rendered": rendered}, {"plan": fingerprint})


def has_window(work: Path, window: range, fingerprint: str) -> bool:
    """Whether the rendered crops are there, whole and of this plan; reads the header alone."""
    try:
        with safe_open(window_path(work, window), framework="numpy") as file:
            return _is_window(file, window, fingerprint)
    except (OSError, SafetensorError):
        return False


def load_window(work: Path, window: range, fingerprint: str) -> NDArray[np.float16] | None:
    """The rendered crops, or None where the window is missing, truncated or of another plan."""
    try:
        with safe_open(window_path(work, window), framework="numpy") as file:
            if not _is_window(file, window, fingerprint):
                return None
            rendered: NDArray[np.float16] = file.get_tensor("rendered")
    except (OSError, SafetensorError):
        return None
    return rendered


def _is_window(file: Any, window: range, fingerprint: str) -> bool:
    """Opening has already compared the file's length with its header."""
    rendered = file.get_slice("rendered")
    ours = (file.metadata() or {}).get("plan") == fingerprint
    return bool(ours and rendered.get_dtype() == "F16" and rendered.get_shape()[0] == len(window))


def write_tensors(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str] | None = None
) -> None:
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            save_file(
                {k: np.ascontiguousarray(v) for k, v in tensors.items()}, partial, metadata=metadata
            )
            partial.replace(path)
        except SafetensorError as error:
            raise _told_by_system(error) from error
        finally:
            partial.unlink(missing_ok=True)


def _told_by_system(error: SafetensorError) -> OSError:
    """The library keeps what the system said, such as a full disk, in its text alone."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]) if found else errno.EIO, str(error))


def write_text(path: Path, text: str) -> None:
    with disk_errors(path):
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
