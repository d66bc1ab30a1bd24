"""A dubbing session for tests: a reel, its script and its sounds, and an engine that is quick."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from panel_material import click, wait, write_timeline
from PySide6.QtWidgets import QApplication
from silent_panel import open_window, panel_of
from stylesync_ui.window import Window

QUICK = str(Path(__file__).with_name("quick_engine.py"))
RATE = 48_000


def write_sound(path: Path, seconds: float) -> Path:
    """A WAV file of a low saw."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(range(0, 200, 2)) * round(seconds * RATE / 50))
    return path


def write_session(folder: Path, clips: int = 6, lines: int = 4) -> tuple[Path, Path, Path]:
    """(timeline, script, folder of sounds): a line of 2 s on each of the first clips, which last
    74 frames at 25 fps."""
    files = [folder / f"clip{number}.mov" for number in range(clips)]
    for file in files:
        file.touch()
    timeline = write_timeline(folder / "reel.otio", files)
    rows = ["Number,Character,In,Out,Text"]
    sounds = folder / "wavs"
    sounds.mkdir(exist_ok=True)
    for number in range(1, lines + 1):
        first = (number - 1) * 74 + 10
        codes = [code(first), code(first + 50)]
        who = "Ben" if number % 2 else "Anna"
        rows.append(f"{number},{who},{codes[0]},{codes[1]},Line {number}")
        write_sound(sounds / f"line_{number:03}.wav", 2.0)
    script = folder / "script.csv"
    script.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return timeline, script, sounds


def code(frame: int) -> str:
    """A frame after 01:00:00:00 at 25 fps as time code."""
    seconds, frames = divmod(frame, 25)
    return f"01:{seconds // 60:02}:{seconds % 60:02}:{frames:02}"


def open_quick_window(folder: Path) -> Window:
    return open_window(folder, engine=[QUICK], size=(1366, 730))


@pytest.fixture
def quick_panel(qapp: QApplication, tmp_path: Path) -> Iterator[Any]:
    """A panel whose engine dubs at once: each dub is a file of as many frames as were asked for."""
    yield from panel_of(open_quick_window(tmp_path))


def open_session(panel: Any, timeline: Path, script: Path, sounds: Path) -> None:
    """Drop all three on the panel, as one would."""
    panel.marking.take_files([str(timeline), str(script), str(sounds)])
    wait(lambda: bool(panel.session), "the lines are here")
    QApplication.processEvents()


def states(panel: Any) -> list[str]:
    return [panel.lines_page.model.state(index) for index in range(len(panel.session.rows))]


def line(panel: Any, index: int) -> Any:
    return panel.session.rows[index].line


def drafted(panel: Any, folder: Path, lines: int = 4) -> Any:
    open_session(panel, *write_session(folder, clips=max(6, lines), lines=lines))
    wait(lambda: panel.lines_page.draft_all.isEnabled(), "they can be drafted")
    click(panel.lines_page.draft_all)
    wait(lambda: states(panel) == ["draft"] * lines, "all are drafted")
    return panel.lines_page.table


def outputs_on(panel: Any) -> set[str]:
    tracks = [t for t in panel.document.content.of_kind("Video") if t.is_ours]
    return {clip.path for track in tracks for clip in track.clips}
