"""The open timeline: its file, its tracks and clips as the panel shows them, undo.

    content = open_content(Path("cut.otio"))
    clip = content.shown_at(Fraction(3))

Knows what lies where, not what is to be dubbed: no wish, no queue, no viewer.
"""
