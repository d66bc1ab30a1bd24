"""Entities are refused by the parser itself, whatever the bytes pretend to be."""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import opentimelineio as otio
import pytest
from stylesync_plugin.formats import otio_files, safe_xml
from stylesync_plugin.formats.files import read_timeline

from stylesync_engine.request import RequestError

BOMB = '<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
BODIES = {
    ".xml": '<xmeml version="4"><sequence><name>&{};</name></sequence></xmeml>',
    ".fcpxml": '<fcpxml version="1.9"><project name="&{};"><sequence/></project></fcpxml>',
    ".mlt": '<mlt><producer id="&{};"/></mlt>',
}


@pytest.mark.parametrize("suffix", BODIES)
@pytest.mark.parametrize(
    "head",
    [
        "", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="x-bogus"?>',
        '<?xml version="1.0" encoding="utf-16"?>', '<?xml version="1.0" encoding="cp037"?>',
        "\ufeff", "\ufeff\ufeff",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("declared", "name"), [(BOMB, "c"), (OUTSIDE, "b")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "latin-1"])
def test_no_disguise_helps(
    suffix: str, head: str, declared: str, name: str, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / f"cut{suffix}"
    text = head + declared + BODIES[suffix].replace("{}", name)
    path.write_bytes(text.encode(encoding, "ignore"))
    with pytest.raises(RequestError):
        read_timeline(path)


def test_our_adapters_for_otio_have_the_same_guard() -> None:
    from stylesync_plugin.formats import adapter_fcpxml

    with pytest.raises(RequestError, match="entities"):
        adapter_fcpxml.read_from_string(BOMB + BODIES[".fcpxml"].replace("{}", "c"))
    with pytest.raises(RequestError, match="entities"):
        safe_xml.parse('<?xml version="1.0" encoding="x-bogus"?>' + BOMB + "<a>&c;</a>")
    with pytest.raises(ET.ParseError):
        safe_xml.parse(b'<?xml version="1.0" encoding="x-bogus"?><a/>')
    assert safe_xml.parse("<!DOCTYPE fcpxml><a/>").tag == "a"


def pack(path: Path, text: str, media: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("version.txt", "1.0.0")
        bundle.writestr("content.otio", text)
        for name, data in media.items():
            bundle.writestr(name, data)
    return path


def test_an_archive_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    text = otio.adapters.write_to_string(otio.schema.Timeline("cut"), "otio_json")
    bomb = pack(tmp_path / "a.otioz", text, {"media/a.mov": bytes(2**27)})
    many = pack(tmp_path / "b.otioz", text, {f"media/{i}": b"" for i in range(10_001)})
    long = pack(tmp_path / "c.otioz", text + " " * otio_files.MOST_BYTES, {})
    for path in (bomb, many, long):
        with pytest.raises(RequestError, match="far more than media"):
            read_timeline(path, extract_to=tmp_path / "media")
    assert not (tmp_path / "media").exists()


def test_no_member_leaves_the_folder(tmp_path: Path) -> None:
    text = otio.adapters.write_to_string(otio.schema.Timeline("cut"), "otio_json")
    names = ("../out.mov", "/out.mov", "media/../../out.mov", "media/a.mov")
    path = pack(tmp_path / "a.otioz", text, dict.fromkeys(names, b"x"))
    read_timeline(path, extract_to=tmp_path / "in" / "media")
    outside = [p for p in tmp_path.rglob("*.mov") if (tmp_path / "in/media") not in p.parents]
    assert outside == []
    assert not Path("/out.mov").exists()
