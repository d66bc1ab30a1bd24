"""MLT XML for OpenTimelineIO, which loads this file by its path."""

from stylesync_plugin.formats.mlt import write_to_string

__all__ = ["write_to_string"]
