"""The editing programs: one module for each, and their loaders' way in and out.

    host = MltProject(Path("cut.kdenlive"), Path("dubbed.kdenlive"))
    timeline, selection = host.read()

Plans and dubs nothing and does not know how dubs are laid: it reads timelines and shows them.
"""
