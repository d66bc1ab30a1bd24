"""What is released, from the built files in an empty environment, none of it from the sources."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from blender_case import PYTHON
from package_fixtures import without_ours
from places import SUPPORT
from stylesync_plugin.hosts.installing import HOSTS, loader_files

from stylesync_engine import __version__
from stylesync_engine.media import probe_video, read_frames
from stylesync_engine.request import FrameRange

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DUBBED = (20, 32)
"""Source frames, the last excluded."""


def run(*words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=True, cwd="/",
        env=without_ours(),
    )  # fmt: skip
    return done.stdout


PACKAGES = ("stylesync_engine", "stylesync_plugin", "stylesync_training", "stylesync_ui")


def test_the_wheel_brings_no_name_but_ours(built: list[Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = {name.split("/")[0] for name in wheel.namelist()}
    assert names == {*PACKAGES, f"stylesync-{__version__}.dist-info"}


def test_the_wheel_stands_alone(programs: Path, root: Path) -> None:
    for package in PACKAGES:
        place = run(programs / "python", "-c", f"import {package}; print({package}.__file__)")
        assert Path(place.strip()).is_relative_to(programs.parent)
        assert not Path(place.strip()).is_relative_to(root)
    findings = json.loads(run(programs / "stylesync", "doctor", "--json"))["findings"]
    found = {entry["what"]: entry for entry in findings}
    assert all(entry["ok"] for entry in findings if entry["needed"])
    assert Path(found["starter weights"]["found"]).is_relative_to(programs.parent)


@pytest.mark.parametrize("host", HOSTS)
def test_loaders_come_out_of_the_wheel(host: str, programs: Path, tmp_path: Path) -> None:
    run(programs / "stylesync", "install", host, "--to", tmp_path)
    folder = tmp_path / HOSTS[host][1]
    assert {path.name for path in folder.iterdir()} > set(loader_files(host))
    texts = [path.read_text() for path in folder.glob("*.py")]
    assert any(f'PROGRAM = "{programs / "stylesync"}"' in text for text in texts)
    run(programs / "stylesync", "uninstall", host, "--to", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_to_copy_hold_the_loaders(built: list[Path]) -> None:
    for host, folder in zip(("nuke", "resolve"), built[2:], strict=True):
        assert folder.name == HOSTS[host][1]
        content = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert content == loader_files(host)


@pytest.fixture(scope="module")
def blender_dub(
    built: list[Path],
    programs: Path,
    talking: Path,
    other_speech: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, Any]]:
    """A clip of a speaker, dubbed in a Blender with an empty configuration."""
    folder = tmp_path_factory.mktemp("blender")
    info = probe_video(talking)
    told = {
        "zip": str(built[1]), "program": str(programs / "stylesync"), "folder": str(folder),
        "video": str(talking), "speech": str(other_speech), "frames": DUBBED,
        "size": [info.width, info.height],
    }  # fmt: skip
    (folder / "told.json").write_text(json.dumps(told))
    script = SUPPORT / "blender_dub.py"
    run_blender(folder, script, folder / "told.json")
    return folder, json.loads((folder / "answer.json").read_text())


def run_blender(folder: Path, script: Path, *words: str | Path) -> None:
    """Run a script in Blender's own Python; its settings are FOLDER/config."""
    own = {**os.environ, "BLENDER_USER_RESOURCES": str(folder / "config"), "TMPDIR": str(folder)}
    own.pop("PYTHONDONTWRITEBYTECODE", None)  # Blender compiles what it loads
    subprocess.run([str(PYTHON), str(script), *map(str, words)], env=own, check=True)


needs_blender = pytest.mark.skipif(
    not PYTHON, reason="STYLESYNC_BLENDER_PYTHON names no Python with bpy"
)


def picture(path: Path) -> np.ndarray:
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read is not None, path
    return read[..., :3]


@needs_blender
def test_blenders_timeline_shows_the_dub_exactly(
    blender_dub: tuple[Path, dict[str, Any]],
) -> None:
    """Exact at in - 1, in, out and out + 1: what Blender shows of the same file alone."""
    folder, answer = blender_dub
    assert answer["dub"] == ["FINISHED"]
    first, last = DUBBED[0], DUBBED[1] - 1
    assert probe_video(answer["output"]).frames == last - first + 1
    expected = {
        first - 1: f"source_{first - 1}", first: "dub_0", last: f"dub_{last - first}",
        last + 1: f"source_{last + 1}",
    }  # fmt: skip
    for frame, name in expected.items():
        shown = picture(folder / f"timeline_{frame}.png")
        assert shown.std() > 10
        np.testing.assert_array_equal(shown, picture(folder / f"{name}.png"), err_msg=name)
        print(f"Blender's frame {frame} is {name}: all {shown.size} values are equal")
    for frame, name in ((first, "dub_0"), (last, f"dub_{last - first}")):
        changed = picture(folder / f"source_{frame}.png") != picture(folder / f"{name}.png")
        assert changed.any()


@needs_blender
def test_blender_and_the_engine_mean_the_same_frames(
    blender_dub: tuple[Path, dict[str, Any]], talking: Path
) -> None:
    """Of the frames around, the one of that number is nearest to what Blender shows."""
    folder, answer = blender_dub
    for path, name, frame in ((talking, "source", DUBBED[0]), (answer["output"], "dub", 0)):
        shown = picture(folder / f"{name}_{frame}.png")[..., ::-1].astype(float)
        around = FrameRange(max(0, frame - 2), frame + 3)
        distances = {
            read.index: abs(read.image.to_rgb8().astype(float) - shown).mean()
            for read in read_frames(path, around)
        }
        assert min(distances, key=lambda index: distances[index]) == frame


@needs_blender
def test_blender_loads_the_loader_and_keeps_nothing_of_it(programs: Path, tmp_path: Path) -> None:
    """Put in by `stylesync install`, ticked, unticked, taken out; Blender compiles it meanwhile."""
    script = SUPPORT / "blender_loader.py"
    extensions = tmp_path / "config" / "extensions" / "user_default"
    run_blender(tmp_path, script, "start")
    before = files_in(tmp_path)
    run(programs / "stylesync", "install", "blender", "--to", extensions)
    run_blender(tmp_path, script, "tick")
    assert len(list(extensions.rglob("*.pyc"))) >= 7
    run(programs / "stylesync", "uninstall", "blender", "--to", extensions)
    run_blender(tmp_path, script, "start")
    assert files_in(tmp_path) == before


def files_in(folder: Path) -> set[Path]:
    """All but what Blender remembers of the versions of extensions."""
    found = {path.relative_to(folder) for path in folder.rglob("*")}
    return {path for path in found if ".cache" not in path.parts} - {Path("config/extensions")}
