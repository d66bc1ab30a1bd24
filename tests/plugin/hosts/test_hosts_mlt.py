"""Kdenlive and Shotcut for real: from the wheel in an empty environment to the editor's own save.

`make check-mlt` builds the wheel, installs it, dubs a clip of a real person in a project with the
starter weights, lets melt render the project before and after, and opens what was written in the
editor, which saves it once more.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from mlt_case import PROJECTS
from package_fixtures import without_ours
from stylesync_plugin.formats.files import read_timeline
from stylesync_plugin.formats.mlt_document import playlists, read_document, text_of
from stylesync_plugin.timeline.paths import path_of
from timeline_material import needs_melt, play, played

from stylesync_engine.media import probe_video

ZONE, LENGTH = (14, 34), 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    needs_melt,
]


def _project(folder: Path, kind: str, shot: Path) -> Path:
    """A project of the editor's own with clips of a real person, marked at `ZONE`."""
    text = (PROJECTS / kind).read_text()
    for name in ("a.mkv", "b.mkv"):
        text = text.replace(f">{name}<", f">{shot}<")
    root = ET.fromstring(text)  # noqa: S314 - our own file
    root.set("root", str(folder))
    profile, info = root.find("profile"), probe_video(shot)
    assert profile is not None
    profile.attrib.update(width=str(info.width), height=str(info.height))
    for told in root.iter("property"):
        name, seconds = told.get("name", ""), {"start": ZONE[0] / 25, "end": ZONE[1] / 25}
        if name.endswith(("zonein", "zoneout")):
            told.text = str(ZONE[name.endswith("out")])
        elif name in seconds and (told.text or "").startswith("00:"):
            told.text = f"00:00:{seconds[name]:06.3f}"
        elif name == "length":
            told.text = str(info.frames)
    for entry in root.iter("entry"):
        if entry.get("out") == "00:00:04.720":
            entry.set("out", "00:00:02.840")
    path = folder / f"cut{Path(kind).suffix}"
    path.write_text(ET.tostring(root, encoding="unicode"))
    return path


KINDS = {
    "kdenlive": ("kdenlive_22_12.kdenlive", "zone"),
    "shotcut": ("shotcut_22_12.mlt", "line 1"),
}


@pytest.fixture(scope="module", params=KINDS)
def case(
    request: pytest.FixtureRequest,
    programs: Path,
    talking: Path,
    other_speech: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path, Path]:
    """The editor's name, its project and the same with the dub."""
    kind, marker = KINDS[request.param]
    source = _project(tmp_path_factory.mktemp(request.param), kind, talking)
    target = source.with_name(f"dubbed{source.suffix}")
    command = [str(programs / "stylesync"), "dub", str(source), "--marker", marker,
               "--speech", str(other_speech), "--quality", "draft", "--codec", "ffv1",
               "-o", str(target)]  # fmt: skip
    subprocess.run(command, check=True, cwd=source.parent, env=without_ours(), timeout=900)
    return request.param, source, target


def test_melt_shows_the_dub_exactly_in_its_place(case: tuple[str, Path, Path]) -> None:
    editor, source, target = case
    before, after = played(source, LENGTH), played(target, LENGTH)
    dub = played(_dub_alone(source, target), LENGTH)
    first, end = ZONE
    for k in range(LENGTH):
        expected = (dub if first <= k < end else before)[k]
        assert all(map(np.array_equal, after[k], expected)), k
    assert all(not np.array_equal(after[k][0], before[k][0]) for k in (first, end - 1))
    # Above the mouth the dub is its source, so a frame too early or too late would show.
    luma, was = ([frame[0].astype(int) for frame in cut] for cut in (after, before))
    top = slice(0, luma[0].shape[0] // 4)
    for k in (first, end - 1):
        near = [np.abs(luma[k][top] - was[j][top]).mean() for j in range(LENGTH)]
        assert near[k] == min(near), k
    for k in (first - 1, first, end - 1, end):
        what = "the dub" if first <= k < end else "the source"
        print(f"{editor}'s frame {k} is {what}: all {sum(p.size for p in after[k])} values equal")


def test_the_editor_opens_it_and_saves_the_same(case: tuple[str, Path, Path]) -> None:
    editor, _, target = case
    _skip_without(editor, "xvfb-run", "dbus-run-session", "dbus-send", "xdotool")
    saved = shutil.copy(target, target.with_name(f"saved{target.suffix}"))
    _open_and_save(editor, Path(saved))
    for shown, meant in zip(play(Path(saved), LENGTH), play(target, LENGTH), strict=True):
        assert np.array_equal(shown, meant)
    assert _ours(Path(saved)) == _ours(target) != []


def _ours(project: Path) -> list[str]:
    clips = read_timeline(project).find_clips()
    return sorted(clip.name for clip in clips if "stylesync" in clip.metadata)


def _dub_alone(source: Path, target: Path) -> Path:
    """The project with the dub's frames, and nothing else, on the track of the original."""
    [dub] = [clip for clip in read_timeline(target).find_clips() if "(dubbed)" in clip.name]
    document = read_document(source)
    track = next(
        part for node in document.main.findall("track") for part in playlists(document, node)
        if part.find("entry") is not None and node.get("hide") != "video"
        and text_of(part, "kdenlive:audio_track") != "1" and part.get("id") != "background"
    )  # fmt: skip
    entry = track.findall("entry")[0]
    producer = document.by_id[entry.get("producer", "")]
    for told in producer.findall("property"):
        if told.get("name") == "resource":
            told.text = path_of(dub.media_reference.target_url)
    for child in [child for child in track if child.tag in ("blank", "entry")]:
        track.remove(child)
    ET.SubElement(track, "blank", length=str(ZONE[0]))
    entry.attrib.update({"in": "0", "out": str(ZONE[1] - ZONE[0] - 1)})
    track.append(entry)
    path = source.with_name(f"alone{source.suffix}")
    path.write_text(ET.tostring(document.root, encoding="unicode"))
    return path


def _skip_without(*programs: str) -> None:
    for name in programs:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")


_KDENLIVE = """
kdenlive "$1" &
ask() { dbus-send --session --dest="$service" --print-reply /kdenlive/MainWindow_1 "$@"; }
until service=$(dbus-send --session --dest=org.freedesktop.DBus --print-reply / \\
    org.freedesktop.DBus.ListNames | grep -o 'org.kde.kdenlive-[0-9]*'); do sleep 1; done
until ask org.freedesktop.DBus.Properties.Get string:org.qtproject.Qt.QWidget \\
    string:windowTitle | grep -q saved; do sleep 1; done
while sleep 20; do  # the window knows its project before the timeline is there
    ask org.kde.KMainWindow.activateAction string:add_marker_guide_quickly
    ask org.kde.KMainWindow.activateAction string:file_save
done
"""
_SHOTCUT = """
shotcut "$1" &
while sleep 10; do xdotool key ctrl+s; done
"""


def _open_and_save(editor: str, path: Path) -> None:
    """Open the project under a display of its own and save it until it is saved."""
    home = path.parent / "home"
    runtime = home / "runtime"
    (home / ".config").mkdir(parents=True)
    runtime.mkdir(mode=0o700)
    own = {
        **without_ours(),
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "TMPDIR": str(home),
    }
    if editor == "kdenlive":
        # With its own version on record there are no questions at the first start.
        (home / ".config" / "kdenliverc").write_text(f"[version]\nversion={_version(own)}\n")
    script, before = path.with_suffix(".sh"), path.read_bytes()
    script.write_text(_KDENLIVE if editor == "kdenlive" else _SHOTCUT)
    screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x900x24", "bash", str(script), str(path)]
    with path.with_suffix(".log").open("w") as log:
        session = subprocess.Popen(
            ["dbus-run-session", *screen], env={**own, "QT_QPA_PLATFORM": "xcb"},
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            for _ in range(300):
                time.sleep(1)
                if path.read_bytes() != before:
                    break
            time.sleep(3)
        finally:
            os.killpg(session.pid, signal.SIGTERM)
            session.wait(30)
    assert path.read_bytes() != before, f"{editor} saved nothing"


def _version(environment: dict[str, str]) -> str:
    said = subprocess.run(
        ["dbus-run-session", "kdenlive", "--version"], capture_output=True, text=True, check=True,
        env={**environment, "QT_QPA_PLATFORM": "offscreen"}, timeout=60,
    )  # fmt: skip
    return said.stdout.split()[-1]
