"""Where pictures and outlines are kept between sessions, and how much of them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path


class PreviewFolder:
    """A folder whose content can always be made again; sizes in bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def of(self, path: str, what: str) -> Path:
        """The folder for one state of a file: a file that changes gets another one."""
        try:
            status = Path(path).stat()
            mark = f"{path}|{status.st_size}|{status.st_mtime_ns}"
        except OSError:
            mark = path
        return self.root / f"{hashlib.sha256(mark.encode()).hexdigest()[:20]}_{what}"

    def size(self) -> int:
        return sum(_size(entry) for entry in _entries(self.root))

    def trim(self, limit: int) -> int:
        """Remove the folders that were used longest ago until `limit` is kept; returns the size."""
        entries = sorted(_entries(self.root), key=_age)
        sizes = [_size(entry) for entry in entries]
        left = sum(sizes)
        for entry, size in zip(entries, sizes, strict=True):
            if left <= limit:
                break
            shutil.rmtree(entry, ignore_errors=True)
            left -= size
        return left


def _entries(root: Path) -> list[Path]:
    return [entry for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []


def _age(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total
