"""The jobs: kept on disk, run one after the other, put on the timeline, shown as cards.

    runner = QueueRunner(EngineBridge(link), home.queue)
    runner.submit("shot  01:00:10:00", wish.to_job("shot", "shot.mov"))

Knows job data only, neither the wish that they came from nor the viewer.
"""
