# ruff: noqa: S101  (asserts that tell the type checker)
"""What the editor has chosen and what is known about it: from a wish to problems, all the time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, QTimer, Signal
from stylesync_plugin.contract import DubError, RequestError, Studio, read_studio
from stylesync_plugin.planning.planner import Plan
from stylesync_plugin.times import Span

from stylesync_ui.engine.bridge import EngineBridge
from stylesync_ui.engine.link import EngineLink, Event
from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.timeline.document import ClipView, Document
from stylesync_ui.wish.choices import DubWish, SpeakerChoice, SpeechChoice, StyleChoice
from stylesync_ui.wish.plan_check import PlanCheck
from stylesync_ui.wish.problems import Findings, Problem, ShownClip, blocks, check

Kind = Literal["dub", "speech", "style"]
End = Literal["in", "out"]

FACE_SAMPLES = 8
CHECK_MS = 250
STEP_SECONDS = 0.7


class Editing(QObject):
    """Holds the wish; `changed` after every change of it or of what is known.

    `lines` are sound files that wait for the next shots.
    """

    changed = Signal()

    def __init__(
        self, media: MediaCache, bridge: EngineBridge, zero_of: Callable[[ClipView], Fraction]
    ) -> None:
        super().__init__()
        self.wish = DubWish()
        self.document: Document | None = None
        self.models_here: dict[str, bool] = {}
        self.people_here: tuple[str, ...] = ()
        self.consent_wanted = False
        self._studio: Studio | str = Studio()
        self._media, self._zero_of = media, zero_of
        self._plan = PlanCheck(bridge)
        self._plan.checked.connect(self._planned)
        self._number = 0
        self.lines: list[str] = []
        self._asked_for: DubWish | None = None
        self._last_step: tuple[tuple[str, ...], float] = ((), 0.0)
        self._plan_error: DubError | None = None
        self._checked: Any = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(CHECK_MS)
        self._timer.timeout.connect(self._check_plan)
        media.arrived.connect(self._news)
        media.face_found.connect(self._news)

    def open(self, document: Document) -> None:
        self.document = document
        self.read_studio()
        kept = self.wish
        self.wish = DubWish(
            person=kept.person, consent=kept.consent, second=kept.second, options=kept.options
        )
        document.wish, self._asked_for, self.lines = self.wish, None, []
        self._touch()

    def restore(self) -> None:
        """The choices as undo or redo has brought them back."""
        if self.document is not None and self.document.wish is not None:
            self.wish = self.document.wish
            self._touch()

    def close(self) -> None:
        self._plan.stop()

    def read_studio(self) -> None:
        """The studio's rules, which hold beside the editor's own; a sentence where they cannot be
        understood."""
        try:
            self._studio = read_studio()
        except RequestError as error:
            self._studio = str(error)

    @property
    def studio_asks_consent(self) -> bool:
        return isinstance(self._studio, Studio) and self._studio.consent_required

    def learn_models(self, link: EngineLink) -> None:
        """Which models are here; long jobs go first, so nothing waits for the answer."""

        def hear(event: Event) -> None:
            if event["event"] == "result":
                listed = event["models"]
                self.models_here = {row["name"]: row.get("here") is not False for row in listed}
                self.people_here = tuple(map(str, event.get("people", ())))
                self.changed.emit()

        link.ask("models", {}, hear)

    # Choosing

    def set_wish(self, **changes: Any) -> None:
        if changes.get("dub") is not None:
            changes = {**self._of_another_shot(changes["dub"]), **changes}
        self._choose(dataclasses.replace(self.wish, **changes), tuple(changes))

    def _choose(self, wish: DubWish, what: tuple[str, ...]) -> None:
        """A step that can be undone; one of the same kind at once after it is a part of it."""
        now = time.monotonic()
        joined = self._last_step[0] == what and now - self._last_step[1] < STEP_SECONDS
        self._last_step = what, now
        if self.document is not None and wish != self.wish:
            self.document.choose(wish, joined)
        self.wish = wish
        self._touch()

    def _of_another_shot(self, dub: Span) -> dict[str, Any]:
        """Another shot has another speaker and, where the last line is in the queue, the next."""
        found: dict[str, Any] = {}
        speaker, asked = self.wish.speaker, self._asked_for
        if speaker is not None and speaker.shot is not None and not dub.meet(speaker.shot):
            found["speaker"] = None
        used = asked is not None and self.wish.speech == asked.speech
        if used and asked is not None and asked.dub is not None and not dub.meet(asked.dub):
            found["speech"] = self._next_line()
        return found

    def _next_line(self) -> SpeechChoice | None:
        return SpeechChoice(file=self.lines.pop(0)) if self.lines else None

    def take_lines(self, files: Sequence[str]) -> None:
        """The first is for this shot, the others for those that come."""
        self.lines = list(files[1:])
        self._asked_for = None
        self.set_wish(speech=SpeechChoice(file=files[0]))

    def note_asked(self) -> None:
        """The wish is in the queue: another shot begins without its line."""
        self._asked_for = self.wish

    def set_option(self, name: str, value: Any) -> str:
        """Change an option; returns the sentence of a combination that cannot be."""
        try:
            wish = self.wish.with_option(name, value)
        except RequestError as error:
            self.changed.emit()
            return str(error)
        self._choose(wish, (name,))
        return ""

    def mark(self, kind: Kind, end: End, moment: Fraction) -> None:
        """Set one end of a range; the other follows where it would lie behind."""
        assert self.document is not None
        content = self.document.content
        span, label = self.range_of(kind)
        frame = 1 / content.rate
        if end == "in":
            start = min(moment, max(Fraction(0), content.duration - frame))
            last = span.end if span is not None and span.end > start else self._shot_end(start)
            self.draw(kind, Span(start, last), label)
        else:
            stop = max(frame, min(moment, content.duration))
            first = span.start if span is not None and span.start < stop else self._shot_start(stop)
            self.draw(kind, Span(first, stop), label)

    def range_of(self, kind: Kind) -> tuple[Span | None, str | None]:
        """A range of the timeline that was chosen, and the track that it is on."""
        if kind == "dub":
            return self.wish.dub, None
        choice = self.wish.speech if kind == "speech" else self.wish.style
        return (choice.span, choice.track) if choice is not None else (None, None)

    def _shot_end(self, start: Fraction) -> Fraction:
        assert self.document is not None
        content = self.document.content
        clip = content.shown_at(start)
        return clip.span.end if clip is not None else max(content.duration, start + 1)

    def _shot_start(self, stop: Fraction) -> Fraction:
        assert self.document is not None
        content = self.document.content
        clip = content.shown_at(stop - 1 / content.rate)
        return clip.span.start if clip is not None else Fraction(0)

    def draw(self, kind: Kind, span: Span, label: str | None) -> None:
        """A range of the timeline; `label` names its track."""
        if kind == "dub":
            self.set_wish(dub=span)
        elif kind == "speech":
            self.set_wish(speech=SpeechChoice(track=label, span=span))
        else:
            self.set_wish(style=StyleChoice(track=label, span=span))

    def choose_face(self, path: str, frame: int, x: float, y: float, shot: Span) -> None:
        self.set_wish(speaker=SpeakerChoice(path, frame, round(x, 1), round(y, 1), shot))

    # Asking

    def shown_clips(self) -> list[tuple[ClipView, Span]]:
        """The clips that the dub range shows, in time order, with their part of it."""
        if self.document is None or self.wish.dub is None:
            return []
        content, wanted = self.document.content, self.wish.dub
        left, found = [wanted], []
        for track in content.of_kind("Video"):
            if track.is_ours:
                continue
            for clip in track.within(float(wanted.start), float(wanted.end)):
                if not (clip.placed.enabled and clip.is_picture):
                    continue
                found += [(clip, part.meet(clip.span)) for part in left if part.meet(clip.span)]
                left = [rest for part in left for rest in part.without(clip.span)]
        return sorted(found, key=lambda pair: pair[1].start)

    def ready(self) -> bool:
        """Whether the plan has been checked for what is chosen now."""
        return bool(self._checked == self._question())

    def findings(self) -> Findings:
        clips = self.shown_clips()
        faces, width, cuts = self._look_at_faces(clips)
        return Findings(
            clips=tuple(self._shown(clip, span) for clip, span in clips),
            speech_seconds=self._speech_seconds(),
            style_seconds=self._style_seconds(clips),
            faces=faces,
            face_width=width,
            cuts=cuts,
            models_here=self.models_here.get(self.wish.options.models),
            consent_required=self.consent_wanted or self.studio_asks_consent,
            studio_error=self._studio if isinstance(self._studio, str) else "",
            plan_error=self._plan_error,
        )

    def problems(self) -> list[Problem]:
        return check(self.wish, self.findings())

    def job(self) -> tuple[str, dict[str, Any]]:
        """(title, job data) of the wish; only where no problem blocks it."""
        assert self.document is not None
        assert self.wish.dub is not None
        clips = self.shown_clips()
        content = self.document.content
        start = content.layout.time_code(self.wish.dub.start)
        name = clips[0][0].name or Path(clips[0][0].path or "").stem
        path = clips[0][0].path if len(clips) == 1 else None
        return f"{name}  {start}", self.wish.to_job(f"{name} {start}", path)

    # Inside

    def _shown(self, clip: ClipView, span: Span) -> ShownClip:
        reasons = [*clip.placed.obstacles, clip.trouble]
        reasons.append(self._media.trouble(clip.path) if clip.path else "")
        said = next((reason for reason in reasons if reason), "")
        if said and said[0].islower():
            said = f"'{clip.name}' {said}."
        return ShownClip(clip.name, span, said, clip.placed.media.scale != 1)

    def _look_at_faces(
        self, clips: list[tuple[ClipView, Span]]
    ) -> tuple[tuple[int, ...] | None, float | None, tuple[str, ...]]:
        """(faces in each sample, width in px of the largest at its median, cuts as time codes)."""
        if len(clips) != 1 or clips[0][0].path is None or self.document is None:
            return None, None, ()
        clip, span = clips[0]
        path = clip.path or ""
        facts = self._media.picture(path)
        if facts is None or clip.placed.media.scale != 1:
            return None, None, ()
        zero = self._zero_of(clip)
        first = clip.frame_at(span.start, facts, zero)
        last = clip.frame_at(span.end - Fraction(1, 1000), facts, zero)
        found = self._media.survey(path, first, last + 1, FACE_SAMPLES)
        if not isinstance(found, dict):
            return None, None, ()
        counts = tuple(len(entry["boxes"]) for entry in found["faces"])
        widths = sorted(
            max(box[2] - box[0] for box in entry["boxes"])
            for entry in found["faces"] if entry["boxes"]
        )  # fmt: skip
        content = self.document.content
        back = clip.media.inverse()
        cuts = [back(zero + frame / facts.rate) for frame in found["cuts"]]
        codes = tuple(map(content.layout.time_code, cuts))
        return counts, widths[len(widths) // 2] if widths else None, codes

    def _speech_seconds(self) -> Fraction | None:
        choice = self.wish.speech
        if choice is None:
            return None
        if choice.span is not None:
            return choice.span.duration
        facts = self._media.sound(choice.file or "")
        return facts.length if facts is not None else None

    def _style_seconds(self, clips: list[tuple[ClipView, Span]]) -> Fraction | None:
        style = self.wish.style
        if style.span is not None:
            return style.span.duration
        path = style.file or (clips[0][0].path if clips else None)
        facts = self._media.picture(path) if path else None
        return facts.frames / facts.rate if facts is not None else None

    def _question(self) -> Any:
        content = self.document.content if self.document else None
        return (id(content), self.wish)

    def _touch(self) -> None:
        self._plan_error = None
        self._timer.start()
        self.changed.emit()

    def _news(self, _: str) -> None:
        self.changed.emit()

    def _check_plan(self) -> None:
        """Let the plugin plan the wish, where nothing else stands in its way."""
        if self.document is None or self.wish.dub is None or self.wish.speech is None:
            return
        if blocks(check(self.wish, self.findings())):
            return
        self._number += 1
        _, data = self.job()
        self._asked = self._question()
        self._plan.ask(
            self._number, self.document.content.timeline, data,
            self.document.media_folder, self.document.folders,
        )  # fmt: skip

    def _planned(self, number: int, answer: Plan | DubError) -> None:
        if number != self._number or self._asked != self._question():
            return
        self._checked = self._asked
        if isinstance(answer, Plan):
            refused = [refusal.error for refusal in answer.refused]
            self._plan_error = refused[0] if refused and not answer.dubs else None
        else:
            self._plan_error = answer
        self.changed.emit()
