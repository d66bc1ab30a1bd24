"""One dub as an Open Job Description job: prepare once, chunks side by side, assemble.

    write_bundle([DubRequest("take.mov", "line.wav", "dub.mov")], Path("job"))

A task does what `dubbing` does for a range of frames; nothing here renders in a way of its own.
"""
