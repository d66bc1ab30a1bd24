"""What lies where on a timeline, what a job picks of it, and the files behind it.

    layout = lay_out(timeline)
    pieces = select(layout, Pick(clip="A012"), VIDEO, "line 1")

Reads no timeline files and changes no timeline.
"""
