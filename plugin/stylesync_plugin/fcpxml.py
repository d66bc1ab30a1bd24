"""Final Cut Pro XML in and out."""

from __future__ import annotations

from typing import Any

from stylesync_engine.request import RequestError


def read_from_string(input_str: str) -> Any:
    raise RequestError("FCPXML cannot be read yet; export FCP 7 XML or OTIO.")


def write_to_string(input_otio: Any) -> str:
    raise RequestError("FCPXML cannot be written yet; choose .otio or .xml.")
