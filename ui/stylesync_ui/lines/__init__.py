"""The lines of a dubbing session: one table, kept beside the timeline.

    session = Session(AskingProbe(bridge))
    session.open(document)

Knows the plugin's document of lines and the open timeline, neither the queue nor the viewer.
"""
