"""What the panel's tests share as fixtures."""

from silent_panel import panel

__all__ = ["panel"]
