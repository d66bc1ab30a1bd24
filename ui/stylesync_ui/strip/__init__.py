"""The timeline as a strip: tracks, thumbnails and outlines, the ranges, the playhead.

    area = StripArea(media, zero_of)
    area.strip.range_drawn.connect(editing.draw)

Shows and emits; decides nothing. The painting knows a plain state, not the widget.
"""
