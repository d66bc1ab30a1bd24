"""Rows of a script: CSV in any spelling, XLSX, subtitles. All is text; times stay as written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from stylesync_engine.files import appearing, decoded, read_bounded
from stylesync_engine.request import RequestError
from stylesync_plugin.lines.subtitles import KINDS, Cue, read_cues

LARGEST = 64 * 2**20  # bytes of a script
MOST = 100_000  # rows
_MOST_COLUMNS = 1000
_LONGEST = 2**20  # characters of a line

_TITLES = {
    "number": "number no nr num line cue id zeile nummer ligne numero linea loop take",
    "character": "character charactername char role speaker name actor figur rolle sprecher"
    " personnage personaje interlocutor voice talent",
    "start": "in start begin tcin timecodein recordin starttc starttime intime from von debut"
    " inicio anfang",
    "end": "out end tcout timecodeout recordout endtc endtime outtime to bis fin ende finish",
    "text": "text dialogue dialog line linetext translation script texte texto uebersetzung"
    " ubersetzung traduction subtitle markername",
    "sound": "sound file audio wav filename audiofile datei fichier archivo ton son",
    "note": "note notes description comment comments bemerkung notiz remarque reason",
    "face": "face gesicht visage cara click klick",
    "handles": "handles handle handleframes anfasser poignees",
}
_MARKS = (",", ";", "\t", "|")
_TITLE_ROWS = 50  # rows from the top among which the titles are
READABLE = (".csv", ".tsv", ".txt", ".xlsx", *KINDS)


@dataclass(frozen=True, slots=True)
class Row:
    """One row, its place in the file for sentences, and its texts, empty where there are none."""

    place: int
    number: str = ""
    character: str = ""
    start: str = ""
    end: str = ""
    text: str = ""
    sound: str = ""
    note: str = ""
    face: str = ""
    handles: str = ""


def read_rows(path: Path) -> list[Row]:
    """The rows of a script; raises RequestError in one sentence for what is none."""
    suffix = path.suffix.lower()
    if suffix not in READABLE:
        raise RequestError(f"'{path.name}' is no script; give {', '.join(READABLE)}.")
    try:
        data = read_bounded(path, LARGEST)
    except OSError as error:
        raise RequestError(f"The script '{path}' cannot be read; check the path.") from error
    if suffix == ".xlsx":
        rows = _table(_sheet(data, path), path)
    elif suffix in KINDS:
        rows = [_said(place, cue) for place, cue in enumerate(read_cues(data, path), 1)]
    else:
        rows = _table(_cells(decoded(data, path.name), path), path)
    if not rows:
        raise RequestError(f"'{path.name}' holds no lines; export it again.")
    return rows


def _cells(text: str, path: Path) -> Iterable[list[str]]:
    """The cells, parted by what makes most of its titles known: texts hold the other marks too."""
    if max(map(len, text.splitlines()), default=0) > _LONGEST:
        raise RequestError(f"'{path.name}' has a line without end; export it again.")
    head = text[: 2**16]
    mark = max(_MARKS, key=lambda mark: _known_titles(head, mark))
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    except csv.Error as error:
        raise RequestError(f"'{path.name}' cannot be read as CSV ({error}).") from error
    if _is_cut_off(text, mark):
        raise RequestError(
            f"'{path.name}' opens a quotation mark that it does not close: the rows after it would"
            " be lost; export it again."
        )


def _is_cut_off(text: str, mark: str) -> bool:
    """Whether the table ends within a quoted cell, which the reader takes for a long one."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        for _ in rows:
            continue
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _known_titles(head: str, mark: str) -> int:
    rows = islice(csv.reader(io.StringIO(head, newline=""), delimiter=mark), _TITLE_ROWS)
    try:
        return max((len(_columns(row)) for row in rows), default=0)
    except csv.Error:
        return 0


def _sheet(data: bytes, path: Path) -> Iterable[list[str]]:
    """The cells of the first sheet with anything in it."""
    library = _library()
    try:
        book = library.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for sheet in book.worksheets:
            rows = [["" if v is None else _told(v) for v in row] for row in sheet.values]
            if any(any(row) for row in rows):
                return rows
    except Exception as error:  # the library raises what zip and XML raise
        raise RequestError(f"'{path.name}' cannot be read as XLSX; save it again.") from error
    return []


def write_sheet(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """A table as XLSX, all of it text. Raises DiskError, and RequestError without its library."""
    book = _library().Workbook(write_only=True)
    sheet = book.create_sheet("Lines")
    for row in rows:
        sheet.append(list(row))
    with appearing(path) as draft:
        book.save(draft)


def _library() -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise RequestError(
            "XLSX needs openpyxl; pip install 'stylesync[lines]', or use CSV."
        ) from error
    return openpyxl


def _told(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _table(cells: Iterable[Sequence[str]], path: Path) -> list[Row]:
    """Rows under the first row that names at least a start and a text, sound or number."""
    columns: dict[str, int] = {}
    rows: list[Row] = []
    for place, row in enumerate(cells, 1):
        if place > MOST:
            raise RequestError(f"'{path.name}' has more than {MOST:,} rows; split it.")
        if not columns:
            columns = _columns(row[:_MOST_COLUMNS])
            continue
        told = {name: row[index].strip() for name, index in columns.items() if index < len(row)}
        if told.get("start"):
            rows.append(Row(place, **told))
    if not columns:
        raise RequestError(
            f"'{path.name}' names no columns; its first row must say at least In and Text, or"
            " In and Sound."
        )
    return rows


def _columns(row: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, title in enumerate(row):
        plain = re.sub(r"[^a-z]", "", title.casefold().replace("é", "e").replace("ü", "ue"))
        plain = "number" if title.strip() in ("#", "n°", "Nº") else plain
        for name, titles in _TITLES.items():
            if name not in found and plain in titles.split():
                found[name] = index
                break
    useful = "start" in found and {"text", "sound", "number"} & set(found)
    return found if useful else {}


def _said(place: int, cue: Cue) -> Row:
    who, text = who_speaks(" ".join(cue.text.split()))
    return Row(place, str(place), who or cue.who, cue.start, cue.end, text)


def who_speaks(text: str) -> tuple[str, str]:
    """`NAME: text` or `[NAME] text` in its two parts; the name is empty where there is none."""
    named = re.match(r"(?:\[([^\]]{1,40})\]\s*|([A-ZÄÖÜÉÈ][A-ZÄÖÜÉÈ .'-]{1,30}):\s*)(?=\S)", text)
    return ((named[1] or named[2]).strip(), text[named.end() :]) if named else ("", text)


def plain_cell(value: str) -> str:
    """A cell of a table that never begins a formula."""
    is_number = value.lstrip("+-").replace(".", "", 1).isdecimal()
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") and not is_number else value
