"""From folders of talking clips to training clips in a work folder.

    clips = find_sources(["grid/s1", "clips/anna=anna"])
    track_clips(clips, space.tracks)
    train = load_clips(space.clips, space.training_speakers())

Trains nothing: may not touch `fitting` or anything above.
"""
