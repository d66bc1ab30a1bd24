"""The Blender extension, from the built zip in a Blender with an empty configuration."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blender_case import PYTHON
from places import SUPPORT
from timeline_material import read_number, write_clip, write_speech

SESSION = SUPPORT / "blender_session.py"

pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="STYLESYNC_BLENDER_PYTHON names no Python with bpy"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`stylesync` with an engine that copies the frames and marks their corner."""
    script = tmp_path_factory.mktemp("program") / "stylesync"
    script.write_text(
        textwrap.dedent(f"""\
            #!{sys.executable}
            import sys
            sys.path.insert(0, {str(SESSION.parent)!r})
            from stylesync_plugin.commands import host
            from stylesync_plugin.commands.app import main
            from timeline_material import MarkingEngine
            class Marking(MarkingEngine):
                def __enter__(self): return self
                def __exit__(self, *_): return None
            host.EngineProcess = Marking
            sys.exit(main())
        """)
    )
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module")
def session(
    tmp_path_factory: pytest.TempPathFactory, program: Path, root: Path
) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("blender")
    build = runpy.run_path(str(root / "packaging/build.py"))["build_extension"]
    told = {
        "zip": str(build(folder)), "program": str(program), "folder": str(folder),
        "video": str(write_clip(folder / "shot.mkv", Fraction(25), 40, 1)), "size": [64, 48],
        "sound": str(write_speech(folder / "line.wav", 0.8)), "skip": 5, "length": 30,
        "title": [16, 2], "range": [14, 21], "render": [13, 14, 17, 21, 22, 23],
    }  # fmt: skip
    (folder / "told.json").write_text(json.dumps(told))
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(folder / "config")}
    environment["TMPDIR"] = str(folder)
    subprocess.run(
        [str(PYTHON), str(SESSION), str(folder / "told.json")], env=environment, check=True,
        timeout=800,
    )  # fmt: skip
    return json.loads((folder / "answer.json").read_text()), folder


def test_strips_lie_on_new_channels_below_the_title(session: tuple[dict[str, Any], Path]) -> None:
    answer, _ = session
    assert answer["dub"] == ["FINISHED"]
    assert answer["before"] == [
        ["Movie", "MOVIE", 1, 10, 40], ["Title", "COLOR", 2, 16, 18], ["Line", "SOUND", 3, 10, 30],
    ]  # fmt: skip
    assert answer["after"][:4] == [
        ["Movie", "MOVIE", 1, 10, 40], ["Movie (dubbed)", "MOVIE", 2, 14, 22],
        ["Title", "COLOR", 3, 16, 18], ["Line", "SOUND", 4, 10, 30],
    ]  # fmt: skip
    assert [entry[1:] for entry in answer["after"][4:]] == [["SOUND", 5, 14, 22]]


def test_every_rendered_frame_is_the_right_one(session: tuple[dict[str, Any], Path]) -> None:
    import cv2

    _, folder = session
    for frame in (13, 14, 21, 22, 23):
        picture = cv2.imread(str(folder / f"{frame}.png"))
        assert picture is not None
        luma = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        assert read_number(luma) == (1, frame - 5)
        assert _is_marked(luma) == (14 <= frame < 22)
    title = cv2.imread(str(folder / "17.png"))
    assert title is not None
    assert title[..., 2].mean() > 250
    assert title[..., :2].mean() < 5


def _is_marked(luma: np.ndarray) -> bool:
    """Whether the corner is turned inside out: bit 11 of the word lies there."""
    inside, corner = float(luma[-12:-8, -14:-10].mean()), float(luma[-4:, -6:].mean())
    return abs(inside - corner) > 60


def test_undo_and_dubbing_again(session: tuple[dict[str, Any], Path]) -> None:
    answer, _ = session
    assert answer["undone"] == answer["before"]
    assert answer["again"] == answer["after"]


def test_uninstalling_leaves_nothing(session: tuple[dict[str, Any], Path]) -> None:
    answer, folder = session
    assert not answer["left"]
    assert not list((folder / "config").rglob("*stylesync*"))
