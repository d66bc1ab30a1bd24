"""The panel beside its engine: how fast it starts and scrolls, and what it says when alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from panel_material import Heartbeat, click, wait, write_timeline
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from stylesync_ui.look import theme
from stylesync_ui.look.time_field import TimeField
from stylesync_ui.panel.preferences import Home
from stylesync_ui.window import Window, make_application

START = """
import sys
from pathlib import Path
from stylesync_ui.panel.preferences import Home
from stylesync_ui.window import Window, make_application
application = make_application([])
window = Window(Home(Path(sys.argv[1]) / "c", Path(sys.argv[1]) / "p"), [sys.executable, "-c", ""])
window.show()
application.processEvents()
heavy = {"torch", "av", "cv2", "diffusers", "transformers", "librosa"} & set(sys.modules)
print(len(sys.modules), sorted(heavy))
window.close()
"""


@pytest.fixture
def alone(qapp: QApplication, tmp_path: Path) -> Iterator[Window]:
    """A panel whose engine cannot be started."""
    make_application([])
    home = Home(tmp_path / "config", tmp_path / "previews")
    window = Window(home, [sys.executable, "-S", "-c", "raise SystemExit('broken')"])
    window.show()
    yield window
    window.close()


def test_it_starts_in_a_moment_and_without_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    modules, heavy = done.stdout.split(maxsplit=1)
    assert int(modules) < 700
    assert heavy.strip() == "[]"


def test_five_hundred_clips_scroll_smoothly(alone: Window, tmp_path: Path) -> None:
    """Each drawn picture takes less than the 16.7 ms of a screen's own rate."""
    panel = alone.panel
    clips = [tmp_path / f"clip{number}.mov" for number in range(500)]
    for clip in clips:
        clip.touch()
    panel.open(write_timeline(tmp_path / "reel.otio", clips, 40))
    wait(lambda: panel.document is not None, "500 clips are open")
    panel.strip.scale.density = 60.0
    times = []
    for number in range(120):
        begun = time.thread_time()
        panel.strip.scroll_to(number * 6.0)
        panel.strip.repaint()
        times.append(time.thread_time() - begun)
    assert sorted(times)[len(times) * 95 // 100] < 1 / 60


def test_reading_a_long_timeline_leaves_the_window_alive(alone: Window, tmp_path: Path) -> None:
    clips = [tmp_path / f"clip{number}.mov" for number in range(500)]
    path = write_timeline(tmp_path / "reel.otio", clips, 40)
    beat = Heartbeat()
    alone.panel.open(path)
    wait(lambda: alone.panel.document is not None, "500 clips are open")
    beat.stop()
    assert sorted(beat.works)[-2] < 0.05


def test_without_an_engine_it_says_so_and_offers_to_start_it(alone: Window, tmp_path: Path) -> None:
    panel = alone.panel
    wait(lambda: panel.link.state == "gone", "the engine has failed", 30)
    wait(panel.engine_banner.isVisible, "the panel says so")
    assert "broken" in panel.engine_banner.text.text()
    assert panel.engine_state.text()
    restart = panel.engine_banner.button_of("restart")
    states: list[str] = []
    panel.link.state_changed.connect(states.append)
    click(restart)
    wait(lambda: "starting" in states, "it is started again")
    clip = tmp_path / "a.mov"
    clip.touch()
    panel.open(write_timeline(tmp_path / "cut.otio", [clip]))
    wait(lambda: panel.document is not None, "timelines open without an engine, too")
    wait(panel.engine_banner.isVisible, "an open timeline does not hide what is wrong")


def test_every_control_has_a_name_and_a_place_in_the_tab_order(
    alone: Window, tmp_path: Path
) -> None:
    clip = tmp_path / "a.mov"
    clip.touch()
    panel = alone.panel
    panel.open(write_timeline(tmp_path / "cut.otio", [clip]))
    wait(lambda: panel.document is not None, "it is open")
    controls = [w for w in panel.findChildren(QWidget) if w.isVisible() and w.focusPolicy()]
    named = ("QToolButton", "QPushButton", "Choice", "TimeField", "Strip", "ViewerCanvas")
    nameless = [
        type(w).__name__
        for w in controls
        if type(w).__name__ in named and not (w.accessibleName() or getattr(w, "text", str)())
    ]
    assert nameless == []
    assert len({id(w) for w in controls}) > 25


def test_no_text_of_the_form_is_cut_off(alone: Window, tmp_path: Path) -> None:
    clip = tmp_path / "a.mov"
    clip.touch()
    panel = alone.panel
    panel.open(write_timeline(tmp_path / "cut.otio", [clip]))
    wait(lambda: panel.document is not None, "it is open")
    wait(lambda: panel.link.state == "gone", "the engine is offline")
    QTest.qWait(100)
    for text in panel.findChildren(QLabel):
        if text.isVisible() and not text.wordWrap() and type(text) is QLabel:
            assert text.width() >= text.sizeHint().width(), text.text()
    for field in panel.findChildren(TimeField):
        if field.isVisible():
            assert field.fontMetrics().horizontalAdvance("01:00:00:00") < field.width() - 12


def test_text_stands_out_from_its_ground() -> None:
    """At least 4.5 : 1, as WCAG 2 asks for."""
    colours = theme.theme_of()
    for text in (colours.text, colours.muted, colours.error, colours.warning, colours.dub):
        for ground in (colours.base, colours.raised, colours.field):
            assert contrast(text.getRgbF()[:3], ground.getRgbF()[:3]) >= 4.5


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
