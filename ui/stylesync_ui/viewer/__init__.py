"""The picture at the playhead: playing, sound, and a dub beside what was there before.

    player = Player(lambda span: viewing.segments(content, span))
    player.moved.connect(lambda moment: viewing.show(content, moment, playing=True))

Knows nothing of the form and of the queue: pieces that are dubbed are handed to it.
"""
