"""XML of unknown origin: no entities of its own, so nothing in it can grow or reach out."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from xml.parsers import expat

from stylesync_engine.request import RequestError


def parse(data: bytes) -> ET.Element:
    """The root of a document, comments kept; raises RequestError where it declares entities.

    Raises `ET.ParseError` where it is no XML.
    """
    refuse_entities(data)
    builder = ET.TreeBuilder(insert_comments=True, insert_pis=True)
    return ET.fromstring(data, ET.XMLParser(target=builder))  # noqa: S314 - checked right above


def refuse_entities(data: bytes) -> None:
    """Raise RequestError at the first entity declaration; whatever else is wrong is let pass."""
    scanner = expat.ParserCreate()
    scanner.EntityDeclHandler = _refuse
    try:
        scanner.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError):
        return


def _refuse(*_: object) -> None:
    raise RequestError("The XML declares entities, which no editor writes; export it again.")
