"""Colours, icons and small widgets, the same everywhere in the panel.

    save = tool("save", "Save the dubbed timeline", "Ctrl+S")
    save.setStyleSheet(theme.style_sheet(theme.current()))

Knows neither engine nor timelines: what a widget shows is told to it.
"""
