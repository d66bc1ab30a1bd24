"""A mark in a file's metadata that says that a trained model took part (XMP, IPTC).

It is for programs that sort and label; unlike credentials it proves nothing.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from pathlib import Path

from stylesync_engine import __version__
from stylesync_engine.request import DubRequest, RequestError

MARKED = (".mov", ".mp4", ".png")
"""Suffixes of the files that can carry the mark."""

COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's name for real footage of which a trained model has made a part."""

_XMP_BOX = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
_PACKET = f"""\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="StyleSync {__version__}"
    Iptc4xmpExt:DigitalSourceType="{COMPOSITE}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>""".encode()


def check_mark(request: DubRequest) -> None:
    """Raise RequestError where a mark is asked for that the output's format cannot hold."""
    if request.options.mark == "none" or request.options.codec == "png":
        return
    if Path(request.output).suffix.lower() not in MARKED:
        raise RequestError(
            f"'{Path(request.output).name}' has no place for the mark; choose a codec in .mov,"
            " .mp4 or .png, or give no mark."
        )


def mark_file(path: Path) -> None:
    """Put the mark into a file of `MARKED` kind; what it shows stays the same bytes."""
    if path.suffix.lower() == ".png":
        _mark_png(path)
    else:
        _mark_movie(path)


def _mark_movie(path: Path) -> None:
    """A box at the end: nothing before it moves."""
    with path.open("ab") as file:
        file.write(struct.pack(">I", 24 + len(_PACKET)) + b"uuid" + _XMP_BOX.bytes + _PACKET)


def _mark_png(path: Path) -> None:
    """A text chunk before the last one."""
    data = path.read_bytes()
    if not (data.startswith(_PNG_START) and data.endswith(_PNG_END)):
        raise ValueError(f"{path} is no whole PNG")
    chunk = b"iTXt" + _XMP_KEYWORD + b"\0\0\0\0\0" + _PACKET
    length = struct.pack(">I", len(chunk) - 4)
    mark = length + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data[: -len(_PNG_END)] + mark + _PNG_END)
