"""Dubs back into a copy of the timeline, on tracks of their own, and out of it again.

    dubbed = write_back(timeline, [Dubbed(dub, result, hashes)])

Opens no files and knows no editing program.
"""
