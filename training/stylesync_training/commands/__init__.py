"""What the terminal types: `stylesync-train`, its options, bars and results.

    stylesync-train prepare clips/anna clips/ben --work run --preset tiny

The only room that knows typer and rich. It computes nothing: every command calls the rooms below,
and imports them only once it runs, so that help comes at once.
"""
