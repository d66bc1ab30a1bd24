"""Jobs on a timeline become requests to the engine, and the media that these need.

    planned = plan(timeline, read_jobs("jobs.json").jobs, PlanSettings(Path("dubs")))

Reads no timeline files and changes no timeline.
"""
