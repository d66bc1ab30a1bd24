"""Finished windows of rendered crops, each with its name and its samples' hash."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stylesync_engine.failures import want_memory
from stylesync_engine.files import disk_errors, open_regular, replacing

T = TypeVar("T")
WINDOW_FILE = re.compile(r"[0-9a-f]{64}\.safetensors|\d{8}-\d{8}\.safetensors")
"""Names of finished windows; the second kind is of earlier versions."""


def window_path(work: Path, name: str) -> Path:
    return work / "windows" / f"{name}.safetensors"


def save_window(work: Path, name: str, rendered: NDArray[np.float16], device: str) -> None:
    """Keep rendered lower crops `[n, rows, 256, 3]` that `device` made for the window of this name;
    the file appears only when it is whole."""
    # One entry: the library writes several in an order that changes from run to run.
    label = {"name": name, "samples": _hash_samples(rendered), "device": device}
    metadata = {"window": json.dumps(label, sort_keys=True)}
    write_tensors(window_path(work, name), {"rendered": rendered}, metadata)


def has_window(work: Path, name: str) -> bool:
    """Whether the rendered crops are there and whole; reads the header alone."""
    return _read_window(work, name, lambda _: True) or False


def window_device(work: Path, name: str) -> str | None:
    """What has rendered a window; None where it is missing."""
    return _read_window(work, name, lambda file: str(_label(file)["device"]))


def load_window(work: Path, name: str) -> NDArray[np.float16] | None:
    """The rendered crops, or None where the window is missing. One whose samples are not those that
    were written is taken away, so that it is rendered again."""
    found = _read_window(work, name, lambda file: (_label(file), get_tensor(file, "rendered")))
    if found is None:
        return None
    label, rendered = found
    if label["samples"] != _hash_samples(rendered):
        window_path(work, name).unlink(missing_ok=True)
        return None
    return np.asarray(rendered)


def remove_other_windows(work: Path, names: Collection[str]) -> None:
    """Take away what was rendered for other plans than the one with windows of these names."""
    for path in (work / "windows").glob("*.safetensors"):
        if WINDOW_FILE.fullmatch(path.name) and path.stem not in names:
            path.unlink(missing_ok=True)


def _read_window(work: Path, name: str, read: Callable[[Any], T]) -> T | None:
    """What `read` finds in the file of a window of this name; None where there is none.

    Opening compares the file's length with its header.
    """
    try:
        if not window_path(work, name).is_file():
            return None
        with open_tensors(window_path(work, name)) as file:
            kind = file.get_slice("rendered").get_dtype()
            return read(file) if _label(file).get("name") == name and kind == "F16" else None
    except (OSError, SafetensorError, LookupError, ValueError):
        return None


def _label(file: Any) -> dict[str, Any]:
    data = json.loads((file.metadata() or {}).get("window", "{}"))
    return data if isinstance(data, dict) else {}


def _hash_samples(rendered: NDArray[np.float16]) -> str:
    shape = str(rendered.shape).encode()
    return hashlib.sha256(shape + np.ascontiguousarray(rendered).tobytes()).hexdigest()


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """A safetensors file to read NumPy's arrays from, with `get_tensor` of here."""
    open_regular(path).close()
    with safe_open(path, framework="numpy") as file:
        yield file


def get_tensor(file: Any, name: str) -> NDArray[Any]:
    """An array of an open file; raises MemoryError where there is none for it."""
    entry = file.get_slice(name)
    bits = int("".join(filter(str.isdigit, entry.get_dtype())) or 8)
    want_memory(math.prod(entry.get_shape()) * bits // 8)
    return np.asarray(file.get_tensor(name))


def write_tensors(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str] | None = None
) -> None:
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
        want_memory(sum(values.nbytes for values in whole.values()))
        try:
            with replacing(path) as draft:
                save_file(whole, draft, metadata=metadata)
        except SafetensorError as error:
            raise _told_by_system(error) from error


def _told_by_system(error: SafetensorError) -> OSError:
    """The library keeps what the system said, such as a full disk, in its text alone."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]) if found else errno.EIO, str(error))
