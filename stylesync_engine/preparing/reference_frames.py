"""Frames of the person that serve as reference images."""

from __future__ import annotations

import numpy as np

from stylesync_engine.arrays import Array, Image
from stylesync_engine.media import Frame, read_frames
from stylesync_engine.mouth.crop import CROP, cut_from
from stylesync_engine.mouth.occlusion import find_hidden, sample_colours, watched_places
from stylesync_engine.mouth.references import (
    MOST_REFERENCES,
    ReferenceBank,
    choose_coverage,
    skin_tone,
)
from stylesync_engine.mouth.texture import Patch, cut_patch
from stylesync_engine.plan.person import Person
from stylesync_engine.plan.pipeline import ahead, spread, workers_for
from stylesync_engine.plan.sources import appearance_clip
from stylesync_engine.preparing.fitting import most_references
from stylesync_engine.preparing.job import Job
from stylesync_engine.preparing.shots import FollowedShot

References = tuple[ReferenceBank, Array, dict[int, Image]]


def cut_references(
    shot: FollowedShot, most: int = MOST_REFERENCES, every: bool = False
) -> tuple[ReferenceBank, dict[int, Image]]:
    """The frames, `most` of them, that cover most mouths and poses.

    Beside them what hides the mouth, `[16, 32]` a frame, of these frames or of `every` one that
    shows the speaker. Crops with something before the mouth are no references.
    """
    seen = np.flatnonzero(shot.speaker.seen)
    points, angles = shot.points, shot.fit.pose.angles()
    kept = seen[choose_coverage(points[seen], angles[seen], most)]
    watched, skin = (seen if every else kept), watched_places(points[seen])
    colours = np.empty((len(watched), len(skin), 3), np.uint8)
    place, row = ({int(index): i for i, index in enumerate(some)} for some in (kept, watched))
    crops, patches = np.empty((len(kept), CROP, CROP, 3), np.uint8), dict[int, Patch]()

    def look(numbered: tuple[int, Frame]) -> tuple[int, Image, Patch | None]:
        index, picture = numbered[0], numbered[1].image
        matrix = shot.alignment.matrices[index]
        crop = cut_from(picture, matrix)
        colours[row[index]] = sample_colours(crop, points[index, skin])
        return index, crop, cut_patch(picture, matrix) if index in place else None

    frames = enumerate(ahead(read_frames(shot.info.clip, shot.frames)))
    watched_frames = ((index, frame) for index, frame in frames if index in row)
    for index, crop, patch in spread(look, watched_frames, workers_for(shot.info.picture_bytes)):
        if patch is not None:
            crops[place[index]], patches[place[index]] = crop, patch
    covers = find_hidden(colours, points[watched][:, skin])
    hidden = {int(index): cover for index, cover in zip(watched, covers, strict=True)}
    bank = ReferenceBank(crops, points[kept], angles[kept], kept, tuple(patches.values()))
    return bank.part(np.array([not hidden[int(index)].any() for index in kept])), hidden


def choose_references(
    job: Job, shot: FollowedShot, style: FollowedShot, person: Person | None
) -> References:
    """Frames that serve as reference images, the shot's own tone, and what hides its mouths.

    `style` is the style clip, or without one the shot and its surroundings; a `person` who was
    made has references already.
    """
    choice = job.request.options.appearance
    clip, frames = appearance_clip(choice)
    surrounded = not job.request.style and style.frames != shot.frames and choice == "auto"
    only_theirs = bool(clip) or choice == "style" or surrounded
    most = most_references(job)
    own, hidden = cut_references(shot, most, every=True)
    tone = np.median(skin_tone(own.crops), axis=0)
    if clip:
        return cut_references(job.follow(clip, frames, "style"), most)[0], tone, hidden
    if person is not None and choice != "shot":
        return (person.bank if choice == "style" else own.join(person.bank)), tone, hidden
    if choice == "shot" or not (job.request.style or surrounded):
        return own, tone, hidden
    theirs, _ = cut_references(style, most)
    return (theirs if only_theirs else own.join(theirs)), tone, hidden
