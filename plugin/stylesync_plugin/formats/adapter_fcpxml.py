"""FCPXML for OpenTimelineIO, which loads this file by its path."""

from stylesync_plugin.formats.fcpxml import read_from_string
from stylesync_plugin.formats.fcpxml_writing import write_to_string

__all__ = ["read_from_string", "write_to_string"]
