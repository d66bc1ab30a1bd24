"""Hook scripts for OpenTimelineIO; a studio names them in its own manifest's `hooks`."""

from __future__ import annotations

from typing import Any

from stylesync_plugin.writing.write_back import remove


def hook_function(in_timeline: Any, argument_map: dict[str, Any] | None = None) -> Any:
    """The timeline without our dubs, for exports that want the original cut."""
    return remove(in_timeline)
