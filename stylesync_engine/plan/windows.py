"""Finished windows of rendered crops, each with its plan's identity and its samples' hash."""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stylesync_engine.files import disk_errors, replacing

T = TypeVar("T")


def window_path(work: Path, window: range) -> Path:
    return work / "windows" / f"{window.start:08d}-{window.stop:08d}.safetensors"


def save_window(
    work: Path, window: range, identity: str, rendered: NDArray[np.float16], device: str
) -> None:
    """Keep rendered lower crops `[n, rows, 256, 3]` that `device` made for the plan of this
    identity; the file appears only when it is whole."""
    # One entry: the library writes several in an order that changes from run to run.
    label = {"plan": identity, "samples": _hash_samples(rendered), "device": device}
    metadata = {"window": json.dumps(label, sort_keys=True)}
    write_tensors(window_path(work, window), {"rendered": rendered}, metadata)


def has_window(work: Path, window: range, identity: str) -> bool:
    """Whether the rendered crops are there, whole and of this plan; reads the header alone."""
    return _read_window(work, window, identity, lambda _: True) or False


def window_device(work: Path, window: range, identity: str) -> str | None:
    """What has rendered a window; None where it is missing."""
    return _read_window(work, window, identity, lambda file: str(_label(file)["device"]))


def load_window(work: Path, window: range, identity: str) -> NDArray[np.float16] | None:
    """The rendered crops, or None where the window is missing or of another plan. One whose
    samples are not those that were written is taken away, so that it is rendered again."""
    found = _read_window(
        work, window, identity, lambda file: (_label(file), file.get_tensor("rendered"))
    )
    if found is None:
        return None
    label, rendered = found
    if label["samples"] != _hash_samples(rendered):
        window_path(work, window).unlink(missing_ok=True)
        return None
    return np.asarray(rendered)


def remove_other_windows(work: Path, identity: str) -> None:
    """Take away what was rendered for other plans."""
    for path in (work / "windows").glob(f"{'[0-9]' * 8}-{'[0-9]' * 8}.safetensors"):
        try:
            with safe_open(path, framework="numpy") as file:
                ours = _label(file).get("plan") == identity
        except (OSError, SafetensorError, ValueError):
            ours = False
        if not ours:
            path.unlink(missing_ok=True)


def _read_window(work: Path, window: range, identity: str, read: Callable[[Any], T]) -> T | None:
    """What `read` finds in the file of a window of this plan; None where there is none.

    Opening compares the file's length with its header.
    """
    try:
        if not window_path(work, window).is_file():
            return None
        with safe_open(window_path(work, window), framework="numpy") as file:
            rendered = file.get_slice("rendered")
            ours = _label(file).get("plan") == identity and rendered.get_dtype() == "F16"
            return read(file) if ours and rendered.get_shape()[0] == len(window) else None
    except (OSError, SafetensorError, LookupError, ValueError):
        return None


def _label(file: Any) -> dict[str, Any]:
    data = json.loads((file.metadata() or {}).get("window", "{}"))
    return data if isinstance(data, dict) else {}


def _hash_samples(rendered: NDArray[np.float16]) -> str:
    return hashlib.sha256(np.ascontiguousarray(rendered).data).hexdigest()


def write_tensors(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str] | None = None
) -> None:
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
        try:
            with replacing(path) as draft:
                save_file(whole, draft, metadata=metadata)
        except SafetensorError as error:
            raise _told_by_system(error) from error


def _told_by_system(error: SafetensorError) -> OSError:
    """The library keeps what the system said, such as a full disk, in its text alone."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]) if found else errno.EIO, str(error))
