"""The plan's windows of frames -> rendered lower halves of the aligned crop.

    for done, total in render_windows(plan, work, models, None): print(done, total)

Knows neither preparing nor assembling, and never the picture around the crop.
"""
