"""Following people through a shot: who is where from frame to frame, over cuts and pauses.

Boxes and landmarks stay, pixels go: memory grows by a few kB a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Image
from stylesync_engine.faces.landmarker import (
    EYE_LEFT,
    EYE_RIGHT,
    MESH_POINTS,
    Detection,
    Landmarker,
    MediaPipeLandmarker,
    cut_turned,
    landmark_box,
    overlap,
)
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import SMALLEST_FACE, NoFaceError, SpeakerPoint

_Seen = tuple[int, PixelImage, Image, list[Detection] | None]

LIP_TOP, LIP_BOTTOM = 13, 14  # inner lips, middle
FOREHEAD, CHIN = 10, 152

THUMBNAIL = 64, 36  # px, width and height, of what tells cuts

_DETECT_EVERY = 12  # frames between two looks for new faces
_TOGETHER = 36  # landmarks that are smoothed at a time
_SUDDEN = 12.0  # 0..255, least change of a picture that can be a cut
_SUDDEN_OVERLAP = 0.9  # of the colours, most that a sudden cut may leave alike


@dataclass(slots=True)
class Track:
    """One face without interruption: frames `[n]`, landmarks `[n, 468, 3]` and looks, by which
    people are told apart."""

    frames: list[int] = field(default_factory=list)
    landmarks: list[Array] = field(default_factory=list)
    looks: list[Array] = field(default_factory=list)

    @property
    def last_box(self) -> Array:
        return landmark_box(self.landmarks[-1])

    @property
    def look(self) -> Array:
        return np.asarray(np.mean(self.looks, axis=0), np.float32)


@dataclass(frozen=True, slots=True)
class Speaker:
    """One person in a shot of T frames.

    `landmarks` `[T, 468, 3]` px, smoothed, NaN where not seen; `seen` `[T]` bool;
    `size` px, the median width of the face; `mouth_motion`, spread of the lip gap over face height.
    """

    landmarks: Array
    seen: NDArray[np.bool_]
    size: float
    mouth_motion: float

    @property
    def importance(self) -> float:
        return self.size * (0.02 + self.mouth_motion) * float(self.seen.mean())

    @classmethod
    def of(cls, landmarks: Array, seen: NDArray[np.bool_]) -> Speaker:
        """Size and mouth motion measured over the frames that show the person."""
        visible = landmarks[seen]
        if not len(visible):
            return cls(landmarks, seen, 0.0, 0.0)
        size = float(np.median(np.ptp(visible[:, :, 0], axis=1)))
        return cls(landmarks, seen, size, float(lip_gap(visible).std()))

    def part(self, frames: slice) -> Speaker:
        """The same person in fewer frames."""
        return Speaker.of(self.landmarks[frames], self.seen[frames])


@dataclass(frozen=True, slots=True)
class ShotFaces:
    """Everybody seen in a shot of `length` frames; `cuts` are first frames after a cut."""

    length: int
    speakers: tuple[Speaker, ...]
    cuts: tuple[int, ...]


def lip_gap(landmarks: Array) -> Array:
    """Inner-lip opening over face height for landmarks `[..., 468, 2 or 3]`."""
    opening = np.linalg.norm(landmarks[..., LIP_TOP, :2] - landmarks[..., LIP_BOTTOM, :2], axis=-1)
    height = np.linalg.norm(landmarks[..., FOREHEAD, :2] - landmarks[..., CHIN, :2], axis=-1)
    return np.asarray(opening / height, np.float32)


def follow_faces(
    pictures: Iterable[PixelImage],
    landmarker: Landmarker | None = None,
    each: Callable[..., Iterator[Any]] = map,
) -> Iterator[ShotFaces | int]:
    """Follow all faces through a stream of pictures.

    Yields the number of pictures seen so far after each one, and the `ShotFaces` at the end. What
    is seen in a picture alone is seen by `each`, which may look at several at once.
    """
    landmarker = landmarker or MediaPipeLandmarker()
    tracks: list[Track] = []
    active: list[Track] = []
    cuts: list[int] = []
    before: Image | None = None
    usual, index = 1.0, -1

    def look(numbered: tuple[int, PixelImage]) -> _Seen:
        number, picture = numbered
        found = landmarker.detect(picture) if number % _DETECT_EVERY == 0 else None
        return number, picture, picture.shrink(*THUMBNAIL), found

    seen: Iterator[_Seen] = each(look, enumerate(pictures))
    for index, picture, thumbnail, found in seen:
        if before is not None:
            if is_cut(before, thumbnail, usual):
                cuts.append(index)
                active = []
            else:
                usual += 0.2 * (picture_change(before, thumbnail) - usual)
        before = thumbnail
        still = [track for track in active if _extend(track, index, picture, landmarker)]
        if len(still) < len(active) or not still or index % _DETECT_EVERY == 0:
            found = landmarker.detect(picture) if found is None else found
            fresh = _start_tracks(index, picture, landmarker, still, found)
            tracks += fresh
            still += fresh
        active = still
        yield index + 1
    yield ShotFaces(index + 1, _speakers(tracks, index + 1, cuts), tuple(cuts))


def choose_speaker(
    faces: ShotFaces, point: SpeakerPoint | None = None, within: slice = slice(None)
) -> Speaker:
    """The clicked speaker, else the one whose mouth moves most `within` a part of the frames,
    larger faces first.

    Raises NoFaceError where nobody is there or the faces are too small.
    """
    if point is not None:
        chosen = _speaker_at(faces, point)
    else:
        present = [speaker for speaker in faces.speakers if speaker.seen[within].any()]
        if not present:
            raise NoFaceError(
                "No face was found in the shot; choose a range in which the speaker's face is seen."
            )
        chosen = max(present, key=lambda speaker: speaker.part(within).importance)
    _check_size(chosen.part(within))
    return chosen


def is_cut(before: Image, after: Image, usual: float = np.inf) -> bool:
    """Whether two thumbnails `[36, 64, 3]` belong to different shots: both the picture and its
    colours change (motion changes the first alone, a flash mostly the second).

    Less is asked of a sudden change, far above the `usual` one from frame to frame: two people
    may be filmed before the same wall.
    """
    change = picture_change(before, after)
    sudden = change > max(_SUDDEN, 4 * usual)
    if change < 18 and not sudden:
        return False
    histograms = [
        cv2.calcHist([image], [0, 1, 2], None, [6, 6, 6], [0, 256] * 3).astype(np.float32)
        / image[..., 0].size
        for image in (before, after)
    ]
    alike = float(np.minimum(*histograms).sum())
    return alike < (_SUDDEN_OVERLAP if sudden else 0.6)


def picture_change(before: Image, after: Image) -> float:
    """Mean difference of two thumbnails, 0..255."""
    return float(np.abs(before.astype(np.int16) - after).mean())


def smooth_landmarks(landmarks: Array, seen: NDArray[np.bool_]) -> Array:
    """Remove jitter without lag: a symmetric second-order Savitzky-Golay window of 5 frames over
    each stretch in which the face is seen. `[T, 468, 3]` in and out."""
    out = landmarks.copy()
    powers = np.vander(np.arange(-2.0, 3.0), 3)
    fit = powers @ np.linalg.pinv(powers)  # [5, 5]: five values -> those of their parabola
    for start, end in stretches(seen):
        if end - start < 5:
            continue
        for first in range(0, landmarks.shape[1], _TOGETHER):  # exact numbers take much room
            some = slice(first, first + _TOGETHER)
            known = landmarks[start:end, some].astype(np.float64)
            inner = sum(share * known[k : len(known) - 4 + k] for k, share in enumerate(fit[2]))
            out[start + 2 : end - 2, some] = inner
        head, tail = (landmarks[i : i + 5].astype(np.float64) for i in (start, end - 5))
        out[start : start + 2] = np.tensordot(fit, head, 1)[:2]
        out[end - 2 : end] = np.tensordot(fit, tail, 1)[3:]
    return out


def stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges in which `flags` `[T]` is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _extend(track: Track, index: int, picture: PixelImage, landmarker: Landmarker) -> bool:
    points, score = landmarker.landmarks(picture, track.landmarks[-1])
    if score < 0.5 or not _plausible(points, track.landmarks[-1], picture):
        return False
    track.frames.append(index)
    track.landmarks.append(points)
    if len(track.frames) % _DETECT_EVERY == 0:
        track.looks.append(_look(picture, points))
    return True


def _start_tracks(
    index: int,
    picture: PixelImage,
    landmarker: Landmarker,
    known: list[Track],
    found: list[Detection],
) -> list[Track]:
    fresh: list[Track] = []
    for detection in found:
        if any(overlap(detection.box, track.last_box) > 0.2 for track in known + fresh):
            continue
        points, score = landmarker.landmarks(picture, detection)
        if score < 0.5 or any(
            overlap(landmark_box(points), t.last_box) > 0.2 for t in known + fresh
        ):
            continue
        fresh.append(Track([index], [points], [_look(picture, points)]))
    return fresh


def _plausible(points: Array, before: Array, picture: PixelImage) -> bool:
    """A mesh that jumps, collapses or leaves the picture no longer follows its face."""
    if not np.isfinite(points).all():
        return False
    box, old = landmark_box(points), landmark_box(before)
    size, old_size = float(box[2] - box[0]), float(old[2] - old[0])
    width, height = picture.size
    centre = (box[:2] + box[2:]) / 2
    inside = bool(0 <= centre[0] < width and 0 <= centre[1] < height)
    return inside and size > 8 and 0.6 < size / old_size < 1.67 and overlap(box, old) > 0.2


def _look(picture: PixelImage, points: Array) -> Array:
    """A small picture of the upper face, `[16, 24, 3]` without mean, that tells people apart."""
    eyes = points[[EYE_RIGHT, EYE_LEFT], :2]
    across = eyes[1] - eyes[0]
    turn = np.array([[across[0], -across[1]], [across[1], across[0]]], np.float32) / 12.0
    offset = eyes[0] - turn @ np.array([6.0, 8.0], np.float32)
    small = cut_turned(picture, turn, offset, (24, 16), cv2.INTER_AREA)
    return small.astype(np.float32) / 255.0


def _same_person(one: Track, other: Track, cuts: list[int]) -> bool:
    """Whether two tracks that do not overlap in time show one person; after a cut the same place
    in the picture says nothing."""
    first, second = sorted((one, other), key=lambda track: track.frames[0])
    if set(first.frames) & set(second.frames):
        return False
    pause = second.frames[0] - first.frames[-1]
    cut = any(first.frames[-1] < frame <= second.frames[0] for frame in cuts)
    near = not cut and overlap(first.last_box, landmark_box(second.landmarks[0])) > 0.3
    a, b = first.look - first.look.mean(), second.look - second.look.mean()
    likeness = float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-6))
    colour = float(np.abs(first.look.mean(axis=(0, 1)) - second.look.mean(axis=(0, 1))).max())
    return likeness > (0.5 if near and pause <= 25 else 0.75) and colour < 0.2


def _speakers(tracks: list[Track], length: int, cuts: list[int]) -> tuple[Speaker, ...]:
    people: list[list[Track]] = []
    for track in sorted(tracks, key=lambda t: -len(t.frames)):
        home = next(
            (
                p
                for p in people
                if all(not set(t.frames) & set(track.frames) for t in p)
                and _same_person(p[0], track, cuts)
            ),
            None,
        )
        if home is None:
            people.append([track])
        else:
            home.append(track)
    speakers = [_speaker(person, length, cuts) for person in people]
    return tuple(sorted(speakers, key=lambda s: -s.importance))


def _speaker(tracks: list[Track], length: int, cuts: list[int]) -> Speaker:
    landmarks = np.full((length, MESH_POINTS, 3), np.nan, np.float32)
    seen = np.zeros(length, bool)
    for track in tracks:
        landmarks[track.frames] = np.stack(track.landmarks)
        seen[track.frames] = True
    for start, end in zip([0, *cuts], [*cuts, length], strict=True):
        landmarks[start:end] = smooth_landmarks(landmarks[start:end], seen[start:end])
    return Speaker.of(landmarks, seen)


def _speaker_at(faces: ShotFaces, point: SpeakerPoint) -> Speaker:
    if not 0 <= point.frame < faces.length:
        raise NoFaceError(
            f"Frame {point.frame} of the speaker point lies outside of the range;"
            f" click in frames 0 to {faces.length - 1}."
        )
    click = np.array([point.x, point.y], np.float32)
    for speaker in faces.speakers:
        if speaker.seen[point.frame]:
            box = landmark_box(speaker.landmarks[point.frame])
            margin = 0.15 * (box[2:] - box[:2])
            if np.all(click >= box[:2] - margin) and np.all(click <= box[2:] + margin):
                return speaker
    raise NoFaceError(
        f"There is no face at {point.x:g},{point.y:g} in frame {point.frame};"
        " click on the face that is to be dubbed."
    )


def _check_size(speaker: Speaker) -> None:
    if speaker.size < SMALLEST_FACE:
        raise NoFaceError(
            f"The speaker's face is {speaker.size:.0f} px wide, too small to dub;"
            f" use a shot with a face of at least {SMALLEST_FACE} px."
        )
