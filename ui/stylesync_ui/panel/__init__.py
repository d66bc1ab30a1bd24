"""The panel: its layout, its commands, and all other rooms connected to one another.

    panel = Panel(Home.default())
    panel.open(Path("cut.otio"))

Knows neither its window nor its dock. Each command stands in `commands` and acts in `actions`.
"""
