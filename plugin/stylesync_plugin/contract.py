"""The engine's contract and its process, for the panel and hosts: they import the plugin alone."""

from stylesync_engine import __version__
from stylesync_engine.files import locked, write_text
from stylesync_engine.origin.studio import Studio, read_studio
from stylesync_engine.ranges import tell_lengths
from stylesync_engine.records import as_data
from stylesync_engine.request import (
    SMALLEST_FACE,
    Cancelled,
    Codec,
    Credentials,
    Delivery,
    DiskError,
    DubError,
    DubOptions,
    DubRequest,
    DubResult,
    Length,
    LipCurve,
    Mark,
    MediaError,
    MouthKey,
    Progress,
    Quality,
    RequestError,
    SpeakerPoint,
)

__all__ = [
    "SMALLEST_FACE",
    "Cancelled",
    "Codec",
    "Credentials",
    "Delivery",
    "DiskError",
    "DubError",
    "DubOptions",
    "DubRequest",
    "DubResult",
    "Length",
    "LipCurve",
    "Mark",
    "MediaError",
    "MouthKey",
    "Progress",
    "Quality",
    "RequestError",
    "SpeakerPoint",
    "Studio",
    "__version__",
    "as_data",
    "locked",
    "read_studio",
    "tell_lengths",
    "write_text",
]
