"""Pictures of a session of lines, for `screenshots.py`: imported, refined, rendered, judged."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QDialog
from stylesync_plugin.contract import MouthKey
from stylesync_plugin.lines.document import FrameNote

if TYPE_CHECKING:
    from screenshots import Session

RATE = 25
LINES = (
    ("Presenter", 0.2, 3.0, "The new wording of the first answer."),
    ("Presenter", 5.0, 4.4, "What she says about the garden."),
    ("Presenter", 12.6, 2.4, "And the last sentence."),
    ("Guest", 15.2, 0.8, "A line that nobody has recorded yet."),
)
"""Who, from when, for how long (s), what."""


def write_session(folder: Path, speech: Path) -> tuple[Path, Path]:
    """(script, folder of sounds) for the lines; all but the last have the speech as their sound."""
    sounds = folder / "sounds"
    sounds.mkdir(exist_ok=True)
    rows = ["Number,Character,In,Out,Text"]
    for number, (who, start, length, text) in enumerate(LINES, 1):
        rows.append(f"{number},{who},{_code(start)},{_code(start + length)},{text}")
        if number < len(LINES):
            shutil.copy(speech, sounds / f"line_{number:02}{speech.suffix}")
    script = folder / "script.csv"
    script.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return script, sounds


def _code(seconds: float) -> str:
    """Time code from 01:00:00:00 on."""
    whole, frames = divmod(round(seconds * RATE), RATE)
    return f"01:{whole // 60:02}:{whole % 60:02}:{frames:02}"


def take_session(session: Session, clips: list[Path], speech: Path) -> None:
    """All states of the table of lines."""
    panel: Any = session.panel
    before = panel.document
    panel.open(session.timeline("session.otio", (clips * 3)[:3]))
    session.wait(lambda: panel.document is not before)
    panel.marking.take_files([str(path) for path in write_session(session.scratch, speech)])
    session.wait(lambda: bool(panel.session))
    page = panel.lines_page
    page.table.setFocus()
    page.table.stand_on(0)
    session.settle()
    session.take("lines_imported")
    page.refining.setChecked(True)
    session.wait(lambda: _curve(page) is not None and not _curve(page).glance)
    session.settle()
    session.take("lines_refine")
    page.table.stand_on(3)
    session.settle()
    session.take("lines_unclear")
    page.table.stand_on(0)
    panel.do("draft_all")
    session.wait(lambda: bool(page.model.counts()["running"]))
    session.wait(lambda: page.model.counts()["draft"] == 1)
    session.take("lines_rendering")
    session.wait(lambda: not page.progress.isVisible())
    take_takes(session)
    take_judged(session)


def take_takes(session: Session) -> None:
    """A line whose sound was moved, with a key and a note, dubbed again: both takes compared."""
    panel: Any = session.panel
    page = panel.lines_page
    page.table.setFocus()
    page.table.stand_on(0)
    panel.desk.move_sound(frames=2)
    panel.desk.move_sound(stretch=0.05)
    keys, notes = (MouthKey("closed", 20, 28),), (FrameNote(40, "The lips stay open here"),)
    panel.session.change([0], keys=keys, notes=notes)
    session.settle()
    session.take("lines_sound_moved")
    panel.desk.dub("draft")
    session.wait(lambda: len(panel.desk.line.takes) == 2)
    session.wait(lambda: not page.progress.isVisible())
    page.refining.setChecked(False)
    panel.player.go(panel.session.rows[0].span.start + 1)
    page.against.setCurrentIndex(1)
    page.against.activated.emit(1)
    session.settle()
    session.take("lines_takes_compared")
    page.against.setCurrentIndex(0)
    page.against.activated.emit(0)


def take_judged(session: Session) -> None:
    panel: Any = session.panel
    page = panel.lines_page
    page.table.setFocus()
    panel.playhead.set_mode("side")
    panel.do("zoom_mouth")
    session.settle()
    session.take("lines_mouth_closely")
    panel.do("zoom_mouth")
    panel.do("approve")
    panel.do("put_all")
    session.wait(lambda: any(track.is_ours for track in panel.document.content.tracks))
    page.table.stand_on(0)
    panel.player.go(panel.session.rows[0].span.start + 1)
    panel.banner.hide()
    session.settle()
    session.take("lines_put_on")
    panel.do("cast")
    session.wait(lambda: False, 0.5)
    for dialog in panel.findChildren(QDialog):
        if dialog.isVisible():
            session.take("lines_cast", dialog)
            dialog.close()
    panel.document.forget_changes()


def _curve(page: Any) -> Any:
    return page.refine.curve.curve
