"""Loaders into editors and out again: what was written is on record, nothing else is touched."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from stylesync_engine.files import file_hash, read_bounded
from stylesync_engine.request import DiskError, RequestError

RECORD = "stylesync.installed.json"
LOADERS = Path(__file__).resolve().parents[1] / "loaders"

_BYTES = 2**20
_NOTES = (".DS_Store", "Thumbs.db", "desktop.ini")
_SCRIPTS = {"StyleSync Dub.py": b"EXTRA = []", "StyleSync Panel.py": b'EXTRA = ["--panel"]'}
"""What DaVinci Resolve's one script is called, and what each name gives the program beside."""
_PROGRAM = re.compile(r'^PROGRAM = "stylesync"$', re.MULTILINE)
_SETTINGS = {"darwin": "~/Library/Application Support", "win32": "~/AppData/Roaming"}


@dataclass(frozen=True, slots=True)
class Loader:
    """What goes into an editor: a folder with files, each with its source among our loaders."""

    title: str
    folder: str
    files: dict[str, str]


HOSTS = {
    "blender": ("Blender", "stylesync"),
    "nuke": ("Nuke Studio", "stylesync_hiero"),
    "resolve": ("DaVinci Resolve", "StyleSync"),
}
"""Editors with a loader, as people call them, and the folder that it lies in there."""


def loader_of(host: str) -> Loader:
    """The loader of an editor; raises RequestError where there is none."""
    if host not in HOSTS:
        raise RequestError(f"'{host}' has no loader; choose one of {', '.join(HOSTS)}.")
    own = sorted(path.name for path in (LOADERS / host).iterdir() if path.is_file())
    files = {name: f"{host}/{name}" for name in own}
    if host == "resolve":  # its menu shows each file of the folder by its name
        files = dict.fromkeys(_SCRIPTS, f"{host}/{own[0]}")
    if "__init__.py" in files:
        files["program.py"] = "program.py"
    return Loader(*HOSTS[host], files)


def loader_files(host: str, program: str | None = None) -> dict[str, bytes]:
    """A loader's files by name; `program` is the full path of `stylesync` that they start."""
    files = {}
    for name, source in loader_of(host).files.items():
        content = (LOADERS / source).read_bytes()
        content = content.replace(b"EXTRA = []", _SCRIPTS.get(name, b"EXTRA = []"))
        files[name] = _naming(program, content) if program else content
    return files


def _naming(program: str, content: bytes) -> bytes:
    """A loader's file in which the name of the program is its full path."""
    line = f"PROGRAM = {json.dumps(program)}"
    return _PROGRAM.sub(lambda _: line, content.decode("utf-8")).encode("utf-8")


def find_folder(host: str) -> Path:
    """Where an editor looks for loaders; raises RequestError where the editor is not here."""
    title = loader_of(host).title
    folder = _FOLDERS[host]()
    if folder is not None:
        return folder
    raise RequestError(
        f"{title} has left no settings for this user; start it once, or name a folder.", "to"
    )


def is_installed(host: str, parent: Path) -> bool:
    return (parent / loader_of(host).folder / RECORD).exists()


def install_loader(host: str, parent: Path) -> list[Path]:
    """Write a loader into `parent`, in place of an earlier one; returns the files.

    What cannot be written whole is not there at all.
    """
    target = _place(host, parent)
    if (target / RECORD).exists():
        uninstall_loader(host, parent)
    if target.exists():
        raise RequestError(f"'{target}' exists already and is not ours; move it away first.")
    files = loader_files(host, shutil.which("stylesync", path=str(Path(sys.executable).parent)))
    made = [folder for folder in (target, *target.parents) if not folder.exists()]
    hashes = {name: _digest(content) for name, content in files.items()}
    record = json.dumps({"files": hashes, "made": len(made)}, indent=1).encode()
    try:
        target.mkdir(parents=True)
        for name, content in {RECORD: record, **files}.items():
            (target / name).write_bytes(content)
    except OSError as error:
        for name in (RECORD, *files):
            with contextlib.suppress(OSError):
                (target / name).unlink()
        for folder in made:
            _remove_if_empty(folder)
        raise DiskError(f"'{target}' cannot be written ({error.strerror}).") from error
    return [target / name for name in files]


def uninstall_loader(host: str, parent: Path) -> list[Path]:
    """Remove a loader and the folders that were made for it; returns the files.

    Raises RequestError, touching nothing, where somebody else changed or added files.
    """
    target = _place(host, parent)
    try:
        record = json.loads(read_bounded(target / RECORD, _BYTES))
        known = {target / name: digest for name, digest in record["files"].items()}
        made = (target, *target.parents)[: int(record["made"])]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(f"There is no loader of ours in '{parent}'.") from error
    present = [path for path in target.rglob("*") if path.is_symlink() or not path.is_dir()]
    changed = [path for path in present if not _is_ours(path, known, target)]
    if changed:
        names = ", ".join(str(path.relative_to(target)) for path in sorted(changed))
        raise RequestError(
            f"Somebody else changed or added {names} in '{target}'; move it away, then uninstall."
        )
    for path in present:
        path.unlink()
    folders = [path for path in target.rglob("*") if path.is_dir()]
    for folder in (*sorted(folders, reverse=True), *made):
        _remove_if_empty(folder)
    return sorted(path for path in present if path in known)


def _is_ours(path: Path, known: dict[Path, str], target: Path) -> bool:
    """Our file as it was written, what Python compiled from one, what a file browser notes."""
    if path.is_symlink():
        return False
    if path == target / RECORD or path.name in _NOTES:
        return True
    if path in known:
        return file_hash(path) == known[path]
    compiled = path.parent == target / "__pycache__" and path.suffix == ".pyc"
    return compiled and target / f"{path.name.partition('.')[0]}.py" in known


def _place(host: str, parent: Path) -> Path:
    """Where a loader lies, whatever the current folder is."""
    return parent.resolve() / loader_of(host).folder


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blender_folder() -> Path | None:
    """The extensions of the newest Blender from 4.4 that has been started."""
    named = os.environ.get("BLENDER_USER_RESOURCES")
    if named:
        return Path(named) / "extensions/user_default"
    name = {"linux": "blender", "win32": "Blender Foundation/Blender"}.get(sys.platform, "Blender")
    versions = {
        tuple(map(int, folder.name.split("."))): folder
        for folder in (_settings() / name).glob("*.*")
        if re.fullmatch(r"\d+\.\d+", folder.name)
    }
    newest = max(versions, default=(0,))
    return versions[newest] / "extensions/user_default" if newest >= (4, 4) else None


def _nuke_folder() -> Path | None:
    """What Nuke Studio and Hiero import when they start."""
    return _under(Path.home() / ".nuke", "Python/Startup")


def _resolve_folder() -> Path | None:
    """Scripts of the Edit page's menu."""
    if sys.platform == "linux":
        return _under(Path.home() / ".local/share/DaVinciResolve/Fusion", "Scripts/Edit")
    own = _settings() / "Blackmagic Design/DaVinci Resolve"
    return _under(own / ("Support/Fusion" if sys.platform == "win32" else "Fusion"), "Scripts/Edit")


def _settings() -> Path:
    home = os.environ.get("APPDATA") if sys.platform == "win32" else None
    return Path(home or _SETTINGS.get(sys.platform, "~/.config")).expanduser()


def _under(folder: Path, rest: str) -> Path | None:
    return folder / rest if folder.is_dir() else None


_FOLDERS = {"blender": _blender_folder, "nuke": _nuke_folder, "resolve": _resolve_folder}
