"""StyleSync in Nuke Studio and Hiero, which import what lies in `.nuke/Python/Startup`.

A panel for the workspace; the work is done by the `stylesync` program.
"""

from __future__ import annotations


def register() -> None:
    """Offer the panel: in Nuke Studio's panes, in Hiero in the Window menu."""
    try:
        import hiero.ui
    except ImportError:
        return  # a session without windows, as on a farm
    try:
        from nukescripts import panels
    except ImportError:
        from .widget import Panel

        hiero.ui.windowManager().addWindow(Panel())
    else:
        place = f"__import__('{__name__}.widget').widget.Panel"
        panels.registerWidgetAsPanel(place, "StyleSync", "stylesync.panel")


register()
