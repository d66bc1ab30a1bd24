"""The engine as a child process: its link, what was asked of it, what is known from it.

    media = MediaCache(EngineLink(), PreviewFolder(home.cache))
    media.arrived.connect(lambda path: print(media.picture(path)))

Shows nothing: no widgets and no timelines. Nothing here blocks the GUI thread.
"""
