"""Timeline files: every format in and out, rates exact.

    timeline = read_timeline("cut.fcpxml")
    write_timeline(timeline, "cut.otio")

Knows no jobs, no plans and no editing program that runs.
"""
