"""What the terminal types; the only room that knows typer and rich, and that names flags.

    stylesync-engine dub --video take.mov --speech line.wav --output dub.mov

Work is asked of the rooms below; nothing here touches pixels, sound or weights itself.
"""
