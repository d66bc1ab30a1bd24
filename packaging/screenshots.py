"""`python packaging/screenshots.py --to DIR`: a picture of every state, at 100 % and 200 %.

Everything in them is real: the engine runs, renders, is cancelled and killed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PySide6.QtGui import QColor, QCursor, QPalette
from PySide6.QtWidgets import QApplication, QDialog, QWidget
from session_shots import take_session
from stylesync_plugin.times import Span
from stylesync_ui.look.banner import Banner
from stylesync_ui.panel.preferences import Home
from stylesync_ui.window import Window, make_application

DEMO = Path(__file__).parent / "demo"
PATIENCE = 300.0
SIZES = {100: (1366, 730), 200: (960, 510)}
"""What a small screen leaves for a window, and one of 1920 x 1080 at twice the scale (px)."""


def main(arguments: Sequence[str]) -> int:
    asked = _parse(arguments)
    if asked.scale:
        _take_all(asked, asked.to / str(asked.scale))
        return 0
    for scale in SIZES:
        environment = {**os.environ, "QT_SCALE_FACTOR": str(scale / 100)}
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
        command = [sys.executable, __file__, *arguments]
        done = subprocess.run([*command, "--scale", str(scale)], env=environment, check=False)
        if done.returncode:
            return done.returncode
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python packaging/screenshots.py", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, metavar="DIR")
    demo = [DEMO / "take_to_dub.mp4", DEMO / "style.mp4"]
    parser.add_argument("--clips", type=Path, nargs="+", default=demo, metavar="FILE")
    parser.add_argument("--speech", type=Path, default=DEMO / "line.wav", metavar="FILE")
    parser.add_argument("--models", default="starter")
    parser.add_argument("--quality", default="draft")
    parser.add_argument("--scale", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    asked.clips = [path.absolute() for path in asked.clips]
    asked.speech = asked.speech.absolute()
    return asked


def _take_all(asked: argparse.Namespace, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="stylesync-shots-") as scratch:
        session = Session(Path(scratch), folder, SIZES[asked.scale])
        try:
            take_empty_states(session)
            take_first_run(session, asked)
            take_editing_states(session, asked)
            take_dub_states(session, asked)
            take_session(session, asked.clips, asked.speech)
            take_other_windows(session)
            take_many_clips(session, asked)
            take_narrow_dock(session)
            take_light_host(session)
            take_offline(session)
        finally:
            session.window.close()


class Session:
    """One window, and the means to wait for it and to picture it."""

    def __init__(self, scratch: Path, folder: Path, size: tuple[int, int]) -> None:
        self.application = make_application(sys.argv[:1])
        self.scratch, self.folder, self.size = scratch, folder, size
        self.window = self._open()
        self.number = 0

    def _open(self, command: Sequence[str] | None = None) -> Window:
        home = Home(self.scratch / "config", self.scratch / "previews")
        window = Window(home, command)
        window.resize(*self.size)
        window.show()
        QCursor.setPos(window.geometry().bottomRight())  # else something looks pointed at
        return window

    @property
    def panel(self) -> Any:
        return self.window.panel

    def replace(self, command: Sequence[str] | None) -> None:
        self.window.close()
        self.window = self._open(command)

    def wait(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Let the program run until a condition holds; whether it does."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            if condition():
                return True
            time.sleep(0.005)
        return False

    def settle(self) -> None:
        """Wait until every picture is here."""
        self.wait(lambda: not self.panel.media.is_busy, 60)
        self.wait(lambda: False, 0.4)
        self.wait(lambda: not self.panel.media.is_busy, 60)

    def take(self, name: str, widget: QWidget | None = None, at_once: bool = False) -> None:
        self.number += 1
        if not at_once:
            QApplication.processEvents()
        path = self.folder / f"{self.number:02}_{name}.png"
        (widget or self.window).grab().save(str(path))
        print(path, flush=True)

    def timeline(self, name: str, clips: Sequence[Path], missing: bool = False) -> Path:
        """A timeline of whole clips, each with its sound, starting at one hour."""
        media = self.panel.media
        for clip in set(clips):
            media.picture(str(clip))
            self.wait(lambda c=str(clip): bool(media.is_known(c)))  # type: ignore[misc]
        facts = [media.picture(str(clip)) for clip in clips]
        if None in facts:
            raise SystemExit(next(filter(None, map(media.trouble, map(str, clips)))))
        rate = float(facts[0].rate)
        entries = [
            _clip(path, round(found.frames * rate / float(found.rate)) - 1, rate)
            for path, found in zip(clips, facts, strict=True)
        ]
        if missing:
            entries.append(_clip(Path("/missing/interview_b.mov"), 40, rate))
        path = self.scratch / name
        path.write_text(json.dumps(_timeline(path.stem, entries, rate)), encoding="utf-8")
        return path


def take_empty_states(session: Session) -> None:
    session.wait(lambda: session.panel.link.state == "ready")
    session.take("welcome")
    session.panel.open(session.scratch / "lost.otio")
    session.take("loading", at_once=True)
    session.wait(lambda: session.panel.pages.currentWidget() is session.panel.trouble)
    session.take("not_opened")


def take_first_run(session: Session, asked: argparse.Namespace) -> None:
    panel = session.panel
    panel.open(session.timeline("first.otio", asked.clips[:1]))
    session.wait(lambda: panel.document is not None)
    session.settle()
    session.take("first_run")
    panel.do("got_it")


def take_editing_states(session: Session, asked: argparse.Namespace) -> None:
    panel = session.panel
    before = panel.document
    panel.open(session.timeline("conform.otio", asked.clips, missing=True))
    session.wait(lambda: panel.document is not before)
    panel.player.go(panel.document.content.duration - 1)
    panel.do("this_shot")
    session.settle()
    session.take("missing_media")
    before = panel.document
    panel.open(session.timeline("interview.otio", (asked.clips * 4)[:4]))
    session.wait(lambda: panel.document is not before)
    session.settle()
    session.take("opened")
    take_problems(session, asked)
    panel.marking.choose_shot("style", _shot(panel, 1))
    panel.set_option("models", asked.models)
    panel.set_option("quality", asked.quality)
    session.settle()
    faces = panel.viewer.canvas.faces
    if faces:
        panel.marking.choose_face(*faces[0].centre)
    session.settle()
    session.take("ranges_chosen")
    take_more_options(session)


def take_more_options(session: Session) -> None:
    panel, heading = session.panel, session.panel.form.more.heading
    heading.click()
    for name, value in (("second", "overlay"), ("keep_sound", True), ("colour_space", "pq")):
        panel.set_option(name, value)
    session.settle()
    session.take("more_options")
    heading.click()
    session.take("more_options_closed")
    for name, plain in (("second", None), ("keep_sound", False), ("colour_space", None)):
        panel.set_option(name, plain)


def take_problems(session: Session, asked: argparse.Namespace) -> None:
    """Everything that the form can find wrong with a range that is too short, and no models."""
    panel = session.panel
    panel.player.go(Fraction(1))
    panel.do("this_shot")
    shot = panel.editing.wish.dub
    second = Span(shot.start + 1, shot.start + 2)
    panel.editing.set_wish(dub=second)
    panel.marking.take_speech(str(asked.speech))
    panel.editing.draw("style", Span(second.start, second.end), "V1")
    panel.set_option("models", "paper")
    panel.editing.consent_wanted = True
    session.settle()
    session.take("no_models_no_consent")
    panel.editing.consent_wanted = False
    panel.editing.set_wish(dub=shot)


def _shot(panel: Any, number: int) -> Any:
    return panel.document.content.of_kind("Video")[0].clips[number]


def take_dub_states(session: Session, asked: argparse.Namespace) -> None:
    panel = session.panel
    jobs = panel.jobs
    span = panel.editing.wish.dub
    panel.set_option("quality", "best")  # slow enough to be seen
    panel.submit()
    panel.set_option("quality", "draft")
    _submit_shot(panel, 2)
    panel.set_option("quality", asked.quality)
    jobs.act(_submit_shot(panel, 1), "cancel")
    _submit_broken(session, asked)
    panel.editing.set_wish(dub=span)
    session.wait(lambda: _rendering(panel))
    if panel.jobs.queue.running is not None:
        panel.results.act(panel.jobs.queue.running.id, "watch")
    session.wait(lambda: panel.viewer.canvas.after is not None, 10)
    session.take("rendering")
    panel.playhead.set_mode("before")
    os.kill(panel.link.process_id, signal.SIGKILL)
    session.wait(lambda: panel.engine_banner.isVisible(), 30)
    session.wait(lambda: panel.link.state == "ready", 60)
    session.settle()
    session.take("engine_stopped")
    click_of(panel.engine_banner, "go_on")
    session.wait(lambda: not any(job.is_open for job in jobs.queue))
    take_results(session)


def take_results(session: Session) -> None:
    panel = session.panel
    done = [job for job in panel.jobs.queue if job.state == "done"]
    if not done:
        raise SystemExit("\n".join(job.message for job in panel.jobs.queue))
    panel.results.act(done[0].id, "watch")
    panel.player.go(panel.position + Fraction(14, 10))
    session.settle()
    for mode in ("wipe", "side", "difference", "after"):
        panel.playhead.set_mode(mode)
        session.settle()
        session.take(mode)
    panel.playhead.set_mode("wipe")
    for job in done:
        panel.jobs.act(job.id, "put")
        session.wait(lambda j=job: bool(j.placed), 60)  # type: ignore[misc]
    session.settle()
    session.take("on_a_new_track")
    panel.timeline.save(panel.document.target)
    session.take("saved")
    take_showcase(session)


def take_showcase(session: Session) -> None:
    """The picture of the README: a dub on its track, before and after side by side."""
    panel = session.panel
    panel.side.setCurrentWidget(panel.form)
    panel.banner.hide()
    panel.player.go(Fraction(3, 5))
    panel.playhead.set_mode("side")
    session.settle()
    session.take("showcase")


def click_of(banner: Banner, action: str) -> None:
    button = banner.button_of(action)
    if button is not None:
        button.click()


def _submit_shot(panel: Any, number: int) -> str:
    speech = panel.editing.wish.speech
    panel.editing.set_wish(dub=_shot(panel, number).span)
    panel.editing.set_wish(speech=speech)
    panel.submit()
    return str(list(panel.jobs.queue)[-1].id)


def _submit_broken(session: Session, asked: argparse.Namespace) -> None:
    """A job whose speech is gone when its turn comes."""
    panel, lost = session.panel, session.scratch / "retake.wav"
    shutil.copy(asked.speech, lost)
    panel.marking.take_speech(str(lost))
    session.settle()
    _submit_shot(panel, 3)
    lost.unlink()
    panel.marking.take_speech(str(asked.speech))


def _rendering(panel: Any) -> bool:
    job = panel.jobs.queue.running
    return job is None or (job.stage == "render" and panel.jobs.forecast.share(job) > 0.3)


def take_other_windows(session: Session) -> None:
    for name, show in (
        ("preferences", session.panel.show_preferences),
        ("help", session.panel.show_help),
        ("about", session.panel.show_about),
    ):
        show()
        session.wait(lambda: False, 0.5)
        for dialog in session.panel.findChildren(QDialog):
            if dialog.isVisible():
                session.take(name, dialog)
                dialog.close()
    session.panel.show_menu()
    session.take("menu", session.panel.commands.menu)
    session.panel.commands.menu.close()


def take_many_clips(session: Session, asked: argparse.Namespace) -> None:
    panel = session.panel
    before = panel.document
    panel.open(session.timeline("reel_500_clips.otio", (asked.clips * 500)[:500]))
    session.wait(lambda: panel.document is not before)
    session.settle()
    session.take("500_clips")


def take_narrow_dock(session: Session) -> None:
    panel = session.panel
    before = panel.document
    panel.open(session.scratch / "interview.otio")
    session.wait(lambda: panel.document is not before)
    session.window.resize(460, 1000)
    session.settle()
    session.take("narrow_dock")
    session.window.resize(*session.size)


def take_light_host(session: Session) -> None:
    """The host becomes light while the panel is open."""
    panel, application = session.panel, session.application
    dark = application.palette()
    application.setPalette(QPalette(QColor("#ececec")))
    panel.do("this_shot")
    session.settle()
    panel.do("show_queue")
    session.take("light_host_queue")
    panel.do("show_queue")
    session.take("light_host")
    take_other_windows(session)
    application.setPalette(dark)


def take_offline(session: Session) -> None:
    session.replace([sys.executable, "-c", "raise SystemExit('no engine here')"])
    panel = session.panel
    session.wait(lambda: panel.link.state == "gone", 60)
    session.take("offline_empty")
    panel.open(session.scratch / "first.otio")
    session.wait(lambda: panel.document is not None)
    session.wait(lambda: False, 1.0)
    session.take("offline")


def _timeline(name: str, clips: list[dict[str, Any]], rate: float) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Timeline.1",
        "name": name,
        "global_start_time": _time(round(3600 * rate), rate),
        "tracks": {
            "OTIO_SCHEMA": "Stack.1",
            "name": "tracks",
            "children": [
                {"OTIO_SCHEMA": "Track.1", "name": title, "kind": kind, "children": clips}
                for title, kind in (("Picture", "Video"), ("Dialogue", "Audio"))
            ],
        },
    }


def _clip(path: Path, frames: int, rate: float) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Clip.2",
        "name": path.stem,
        "source_range": {
            "OTIO_SCHEMA": "TimeRange.1",
            "start_time": _time(0, rate),
            "duration": _time(frames, rate),
        },
        "media_references": {
            "DEFAULT_MEDIA": {"OTIO_SCHEMA": "ExternalReference.1", "target_url": str(path)}
        },
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def _time(value: float, rate: float) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "value": value, "rate": rate}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
