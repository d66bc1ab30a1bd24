"""What is released, built and installed: an environment in which nothing comes from the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> list[Path]:
    """The wheel, Blender's extension, and the folders of Nuke and of DaVinci Resolve."""
    folder = tmp_path_factory.mktemp("dist")
    made = subprocess.run(
        [sys.executable, str(root / "packaging/build.py"), str(folder)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [Path(line) for line in made.stdout.splitlines()]


@pytest.fixture(scope="session")
def programs(
    built: list[Path], tmp_path_factory: pytest.TempPathFactory, root: Path
) -> Iterator[Path]:
    """The folder of programs of an environment that held nothing but pip.

    The wheel is there with what it asks for itself, and no extras.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    words = ["install", "--quiet", "--constraint", str(root / "constraints.txt"), str(built[0])]
    subprocess.run(
        [str(folder / "bin/python"), "-m", "pip", *words], check=True, cwd="/", env=without_ours()
    )
    yield folder / "bin"
    shutil.rmtree(folder)  # gigabytes


def without_ours() -> dict[str, str]:
    """The environment without what leads to our sources and to our Qt."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith("QT_")}
