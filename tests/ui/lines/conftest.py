"""What the tests of lines share as fixtures."""

from session_material import quick_panel

__all__ = ["quick_panel"]
