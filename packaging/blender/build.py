"""Build the Blender extension: `python packaging/blender/build.py [FOLDER]` prints the zip."""

from __future__ import annotations

import sys
import tomllib
import zipfile
from pathlib import Path

from stylesync_plugin.installing import loader_files


def build(folder: Path) -> Path:
    """Write the zip into a folder; the same sources give the same bytes."""
    files = loader_files("blender")
    manifest = tomllib.loads(files["blender_manifest.toml"].decode("utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{manifest['id']}-{manifest['version']}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
