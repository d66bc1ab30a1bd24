"""How good the models are: finished videos, other methods, viewers' scores, unseen people.

    judge = Judge(find_published(None))
    figures = judge.rebuild(Path("dubbed.mp4"), truth=Path("take.mp4"))

Changes no weights that ship: variants are trained for a comparison alone. May not touch `commands`,
`adapt` or `packaging`.
"""
