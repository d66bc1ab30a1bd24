"""What the terminal types: the commands of `stylesync` and their flags.

    main(["dub", "cut.otio", "--clip", "A012", "--speech", "line.wav", "-o", "dubbed.otio"])

The only room that knows typer and rich. No other room may import it.
"""
