"""The mouth's crop: cut, covered, warped, textured and put back; pure arrays.

    crop = cut_crop(picture, matrix)

Arrays in, arrays out: no files, no networks.
"""
