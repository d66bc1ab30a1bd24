"""Faces in a picture, people through a shot, and the face model that describes them.

    MediaPipeLandmarker().detect(picture)

Pictures come as arrays; the shipped landmark networks are the only files that are read.
"""
