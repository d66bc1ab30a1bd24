"""What stands in the way of a dub, each beside the field that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from PySide6.QtCore import QCoreApplication
from stylesync_plugin.contract import SMALLEST_FACE, DubError, tell_lengths
from stylesync_plugin.times import Span

from stylesync_ui.timeline.document import in_our_words
from stylesync_ui.wish.choices import DubWish

Field = Literal["dub", "speech", "style", "speaker", "models", "consent", "delivery"]
Level = Literal["error", "todo", "warning", "hint"]

_HOLDS: dict[Field, tuple[str, ...]] = {
    "speech": ("speech", "speech_samples", "length"),
    "style": ("style", "style_frames", "style_speech", "style_offset"),
    "speaker": ("speaker",),
    "models": ("models",),
    "consent": ("consent", "person"),
    "delivery": ("codec", "delivery", "burn_in", "output", "credentials", "mark"),
}
SHORTEST_STYLE = Fraction(2)
GOOD_STYLE = Fraction(10)


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence at one field; an error, and what is still to do, keep the dub from starting."""

    field: Field
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class ShownClip:
    """What the dub range shows in one clip."""

    name: str
    span: Span
    obstacle: str = ""
    retimed: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of the media so far; None where it is not known yet.

    `faces` are counts in the sampled frames, and `face_width` is px; `cuts` are timeline seconds
    written as time codes. `studio_error` says why the studio's settings cannot be followed.
    """

    clips: tuple[ShownClip, ...] = ()
    speech_seconds: Fraction | None = None
    style_seconds: Fraction | None = None
    faces: tuple[int, ...] | None = None
    face_width: float | None = None
    cuts: tuple[str, ...] = ()
    models_here: bool | None = None
    consent_required: bool = False
    studio_error: str = ""
    plan_error: DubError | None = None


def tr(text: str) -> str:
    return QCoreApplication.translate("problems", text)


def check(wish: DubWish, found: Findings) -> list[Problem]:
    """Every problem that can be told now, errors first."""
    problems = [
        *_of_range(wish, found),
        *_of_speech(wish, found),
        *_of_style(wish, found),
        *_of_faces(wish, found),
        *_of_models(found),
        *_of_consent(wish, found),
    ]
    if found.plan_error and not blocks(problems):
        error = found.plan_error
        problems.append(Problem(_field_of(error), "error", in_our_words(error)))
    order = ("error", "todo", "warning", "hint")
    return sorted(problems, key=lambda problem: order.index(problem.level))


def blocks(problems: Sequence[Problem]) -> bool:
    return any(problem.level in ("error", "todo") for problem in problems)


def _of_range(wish: DubWish, found: Findings) -> list[Problem]:
    if wish.dub is None:
        return [Problem("dub", "todo", tr("Mark what to dub: I and O, or double-click a shot."))]
    if not found.clips:
        return [Problem("dub", "error", tr("The range shows no clip; move it over a shot."))]
    problems = [Problem("dub", "error", clip.obstacle) for clip in found.clips if clip.obstacle]
    if len(found.clips) > 1:
        text = tr("The range holds {n} shots; each is dubbed on its own.")
        problems.append(Problem("dub", "warning", text.format(n=len(found.clips))))
    if any(clip.retimed for clip in found.clips):
        text = tr("The clip is retimed; its shown frames are written out first, then dubbed.")
        problems.append(Problem("dub", "warning", text))
    if found.cuts:
        text = tr("The file has a cut inside the range, at {at}; end the range there.")
        problems.append(Problem("dub", "warning", text.format(at=", ".join(found.cuts[:3]))))
    return problems


def _of_speech(wish: DubWish, found: Findings) -> list[Problem]:
    if wish.speech is None:
        text = tr("Choose the new speech: a file, or drag over an audio track.")
        return [Problem("speech", "todo", text)]
    if wish.dub is None or found.speech_seconds is None:
        return []
    seconds = float(found.speech_seconds), float(wish.dub.duration)
    told = tell_lengths(*seconds, wish.options.length)
    return [Problem("speech", "warning", told)] if told else []


def _of_style(wish: DubWish, found: Findings) -> list[Problem]:
    seconds = found.style_seconds
    if seconds is None:
        return []
    if seconds < SHORTEST_STYLE:
        text = tr("{s:.1f} s of style are too short to tell a manner; 10 s are good.")
        level: Level = "hint" if wish.style.is_shot else "warning"
        return [Problem("style", level, text.format(s=float(seconds)))]
    if seconds < GOOD_STYLE and not wish.style.is_shot:
        text = tr("{s:.1f} s of style; from 10 s on it is at its best.")
        return [Problem("style", "hint", text.format(s=float(seconds)))]
    return []


def _of_faces(wish: DubWish, found: Findings) -> list[Problem]:
    if found.faces is None:
        return []
    if not any(found.faces):
        text = tr("No face was found in the range; choose one where the speaker is seen.")
        return [Problem("speaker", "error", text)]
    problems = []
    if not all(found.faces):
        text = tr("The face is not seen all the time; such frames stay as they are.")
        problems.append(Problem("speaker", "hint", text))
    if found.face_width is not None and found.face_width < SMALLEST_FACE:
        text = tr("The face is only {px:.0f} px wide; {least} px are needed.")
        said = text.format(px=found.face_width, least=SMALLEST_FACE)
        problems.append(Problem("speaker", "error", said))
    if max(found.faces) > 1 and wish.speaker is None:
        text = tr("Several people are seen; click the one to dub in the viewer.")
        problems.append(Problem("speaker", "warning", text))
    return problems


def _of_models(found: Findings) -> list[Problem]:
    if found.models_here is False:
        text = tr(
            "These models are not on this machine; choose others, name their folder in"
            " Preferences, or fetch them: stylesync-engine models pull."
        )
        return [Problem("models", "error", text)]
    return []


def _of_consent(wish: DubWish, found: Findings) -> list[Problem]:
    if found.studio_error:
        return [Problem("consent", "error", found.studio_error)]
    if wish.consent:
        return []
    if found.consent_required:
        text = tr("Dubs are made only with the person's consent on record; choose it here.")
        return [Problem("consent", "error", text)]
    text = tr("No consent of the person is on record; broadcasters ask for it in writing.")
    return [Problem("consent", "hint", text)]


def _field_of(error: DubError) -> Field:
    """Where the form holds what the error is about."""
    return next((ours for ours, theirs in _HOLDS.items() if error.field in theirs), "dub")
