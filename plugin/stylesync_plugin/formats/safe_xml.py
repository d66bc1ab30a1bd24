"""XML of unknown origin: no entities of its own, so nothing in it can grow or reach out."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from stylesync_engine.request import RequestError


def parse(data: bytes | str, comments: bool = False) -> ET.Element:
    """The root of a document; raises RequestError where the parser meets an entity's declaration.

    Text is parsed as it is, whatever encoding it claims. Raises `ET.ParseError` where it is no XML.
    """
    builder = ET.TreeBuilder(insert_comments=comments, insert_pis=comments)
    parser = DefusedXMLParser(target=builder)
    try:
        parser.feed(data)
        root: ET.Element = parser.close()
    except DefusedXmlException as error:
        raise RequestError(
            "The XML declares entities, which no editor writes; export it again."
        ) from error
    except (LookupError, ValueError) as error:
        raise ET.ParseError(str(error)) from error
    return root
