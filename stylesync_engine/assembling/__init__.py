"""Crops into source pixels, the sound, the proof: one file or sequence.

    frames = delivered_frames(faces, like, layout)

Knows neither preparing nor rendering: what is not rendered yet, it asks for.
"""
