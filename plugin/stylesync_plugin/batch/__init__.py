"""The dubs of a timeline, made here by the engine's process or by a farm, with their records.

    with EngineProcess() as engine:
        batch = dub_timeline(timeline, jobs, PlanSettings(media), engine)

Knows no editing program and prints nothing.
"""
