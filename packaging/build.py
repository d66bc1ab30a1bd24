"""Build what is released: `python packaging/build.py [FOLDER]` prints what it made."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from stylesync_plugin.hosts.installing import HOSTS, loader_files

ROOT = Path(__file__).resolve().parents[1]


def build_wheel(folder: Path) -> Path:
    """The wheel of the whole project."""
    words = ["wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *words, str(ROOT)], check=True)
    [wheel] = folder.glob("stylesync-*.whl")
    return wheel


def build_extension(folder: Path) -> Path:
    """Blender's extension as a zip; the same sources give the same bytes."""
    files = loader_files("blender")
    manifest = tomllib.loads(files["blender_manifest.toml"].decode("utf-8"))
    target = folder / f"{manifest['id']}-blender-{manifest['version']}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return target


def build_folder(host: str, folder: Path) -> Path:
    """A loader's folder to be copied by hand; `stylesync` is then looked for on the PATH."""
    target = folder / host / HOSTS[host][1]
    target.mkdir(parents=True, exist_ok=True)
    for name, content in loader_files(host).items():
        (target / name).write_bytes(content)
    return target


def build(folder: Path) -> list[Path]:
    """Everything into one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    loaders = [build_folder(host, folder) for host in ("nuke", "resolve")]
    shutil.copy(ROOT / "constraints.txt", folder)  # for the container, whose context this is
    return [build_wheel(folder), build_extension(folder), *loaders]


if __name__ == "__main__":
    for made in build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")):
        print(made)
