"""Pixels in memory: layouts, chroma, colour, conversion.

    picture.blend_region(box, rgb, matte)

No files and no codecs: pictures come and go as arrays.
"""
