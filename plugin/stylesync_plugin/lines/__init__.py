"""Lines of a dubbing session: who says what, when, with which sound, and how far each one is.

    lines = import_lines(Path("script.csv"), Path("sounds"), timeline)

Knows timelines by their layout and their dubs; it renders nothing and opens no window.
"""
