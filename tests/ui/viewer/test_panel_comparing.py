"""Comparing and hearing in the viewer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from panel_material import key, wait
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QImage
from silent_panel import make_timeline, open_timeline
from stylesync_ui.viewer.sound_output import SoundOutput, SoundSegment


def test_ways_to_compare_show_what_they_say(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    canvas = panel.viewer.canvas
    panel.viewing.show = lambda *_: None  # nothing but what this test shows
    before, after = QImage(160, 90, QImage.Format.Format_RGB32), None
    before.fill(QColor(200, 40, 40))
    after = before.copy()
    after.setPixelColor(120, 45, QColor(220, 40, 40))
    blue = before.copy()
    blue.fill(QColor(40, 40, 200))
    canvas.show_pictures(before, blue, (160, 90))

    def red_at(x: float) -> int:
        rect = canvas.picture_rect()
        spot = QPoint(
            round(rect.left() + rect.width() * x), round(rect.top() + 0.8 * rect.height())
        )
        return int(canvas.grab().toImage().pixelColor(spot).red())

    panel.viewer.set_mode("wipe")
    assert (red_at(0.25), red_at(0.75)) == (200, 40)
    canvas.setFocus()
    for _ in range(7):
        key(canvas, ".")
    assert (red_at(0.25), red_at(0.75)) == (200, 200)
    for mode, expected in (("before", 200), ("after", 40), ("difference", 255)):
        panel.viewer.set_mode(mode)
        assert red_at(0.5) == expected
    panel.viewer.set_mode("side")
    assert (red_at(0.1), red_at(0.9)) == (200, 40)
    panel.viewer.set_mode("difference")
    canvas.show_pictures(before, before.copy(), (160, 90))
    assert red_at(0.5) == 0


def test_without_a_sound_device_it_plays_on_and_says_so(panel: Any, tmp_path: Path) -> None:
    output = SoundOutput()
    output.play([SoundSegment(str(tmp_path / "none.wav"), 0.0, 1.0, 0)], 0.0)
    assert output.heard is None
    assert output.trouble.startswith("No sound")
    open_timeline(panel, make_timeline(tmp_path))
    panel.player.output = output
    panel.viewer.canvas.setFocus()
    key(panel.viewer.canvas, "L")
    wait(lambda: panel.position > 0, "the playhead moves", 5)
    assert panel.viewer.tools["sound"].toolTip() == output.trouble
    key(panel.viewer.canvas, "K")
    assert panel.player.transport.speed == 0


def test_no_picture_of_another_clip_stays(panel: Any, tmp_path: Path) -> None:
    """Within a clip the last picture waits for the next and says so; over a cut it goes."""
    open_timeline(panel, make_timeline(tmp_path))
    clips = panel.document.content.of_kind("Video")[0].clips
    picture = {"rate": "25", "frames": 75, "timecode": None, "width": 160, "height": 90}
    for clip in clips:
        facts = {"event": "result", "picture": {**picture, "variable": False}, "sound": None}
        panel.media.take_facts(clip.path, facts)
    shown = QImage(160, 90, QImage.Format.Format_RGB32)
    panel.media._images[(clips[0].path, 0, panel.viewing.height)] = shown
    canvas = panel.viewer.canvas
    panel.playhead.refresh()
    assert canvas.before is shown
    assert canvas.message == ""
    panel.player.step(1)
    assert (canvas.before is shown, canvas.message) == (True, "Loading the picture…")
    said = "The disk is full; make room and run this again."
    asked = ("images", clips[0].path, panel.viewing.height, 1)
    panel.media._hear_image(asked, {"event": "error", "message": said})
    panel.playhead.refresh()
    assert canvas.detail == said
    assert (canvas.before, canvas.message) == (None, "This picture cannot be shown")
    panel.player.go(Fraction(0))
    assert canvas.before is shown
    panel.player.go(clips[1].span.start)
    assert (canvas.before, canvas.message) == (None, "Loading the picture…")
    assert panel.viewer.info.whole.startswith("clip1")


def test_a_step_is_heard_as_long_as_it_is_seen(tmp_path: Path) -> None:
    """Samples of a WAV come from where the step stands, lowered where that is asked, then none."""
    file = tmp_path / "ramp.wav"
    ramp = np.arange(4800, dtype=np.int16)
    file.write_bytes(bytes(44) + np.repeat(ramp, 2).astype("<i2").tobytes())
    output = SoundOutput()
    output._open = lambda: None  # type: ignore[method-assign]
    output.play([SoundSegment(str(file), 1.0, 2.0, 0, 0.5)], 1.01, 0.02)
    blocks = output._blocks()
    next(blocks)
    heard = np.frombuffer(blocks.send(1200), "<i2").reshape(-1, 2)
    assert heard[:960, 0].tolist() == [n // 2 for n in range(480, 1440)]
    assert not heard[960:].any()
    output.stop()
    assert not any(blocks.send(10))
