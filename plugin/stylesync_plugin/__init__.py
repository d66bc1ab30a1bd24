"""Timelines in, timelines out: plan, dub, write back. The panel and the editors' loaders use it.

cut = read_timeline("cut.otio")
with EngineProcess() as engine:
    batch = dub_timeline(cut, jobs, PlanSettings(media), engine)
write_timeline(batch.timeline, "dubbed.otio")
"""
