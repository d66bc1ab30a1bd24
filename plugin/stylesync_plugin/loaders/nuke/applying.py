"""New track items from plain data; one step for undo."""

from __future__ import annotations

import hiero.core

from . import turning
from .reading import TAG

NAMES = {"MOVIE": "StyleSync", "SOUND": "StyleSync speech"}


def apply(sequence, edit: dict) -> None:
    """Take out and put in what an edit says; new tracks come on top of their kind."""
    project = sequence.project()
    with project.beginUndo("StyleSync"):
        gone = set(edit["remove"])
        for track in (*sequence.videoTracks(), *sequence.audioTracks()):
            for item in [found for found in track.items() if str(found.guid()) in gone]:
                track.removeItem(item, hiero.core.TrackBase.eDontRemoveLinkedItems)
        turned = {entry["id"]: entry["parts"] for entry in edit.get("sounds", ())}
        for track in sequence.audioTracks():
            for item in [found for found in track.items() if str(found.guid()) in turned]:
                turning.turn(track, item, turned[str(item.guid())])
        for new in edit["add"]:
            _add(_track_for(sequence, new), new, _bin(project))


def _track_for(sequence, new: dict):
    tracks = sequence.videoTracks() if new["type"] == "MOVIE" else sequence.audioTracks()
    if new["channel"] <= len(tracks):
        return tracks[new["channel"] - 1]
    made = hiero.core.VideoTrack if new["type"] == "MOVIE" else hiero.core.AudioTrack
    track = made(NAMES[new["type"]])
    sequence.addTrack(track)
    return track


def _bin(project):
    """The bin that holds our clips: items of a timeline need them in their project."""
    for found in project.clipsBin().bins():
        if found.name() == TAG:
            return found
    return project.clipsBin().addItem(hiero.core.Bin(TAG))


def _add(track, new: dict, folder) -> None:
    clip = hiero.core.Clip(new["path"])
    folder.addItem(hiero.core.BinItem(clip))
    item = track.createTrackItem(new["name"])
    item.setSource(clip)
    first, last = new["offset"], new["offset"] + new["length"] - 1
    item.setTimes(new["start"], new["start"] + new["length"] - 1, first, last)
    tag = hiero.core.Tag(TAG)
    tag.setNote(new["record"])
    item.addTag(tag)
    track.addTrackItem(item)
