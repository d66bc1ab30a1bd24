"""What is done with lines: dubbed through the queue, put on the timeline, moved, drawn on the lane.

    dubs = LineDubs(session, jobs, lambda: editing.wish)
    dubs.ask([3, 4], "draft")

Knows the lines, the queue and the wish; shows nothing itself.
"""
