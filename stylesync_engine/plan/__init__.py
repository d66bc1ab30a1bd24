"""What passes between the steps, and between machines.

    plan = Plan.load(Path("dub.work")); plan.windows[0]

Holds and describes; it follows no face, runs no network and writes no movie.
"""
