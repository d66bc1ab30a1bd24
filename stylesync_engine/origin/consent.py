"""The consent of the person who is dubbed: who, what for, until when; on record as JSON.

    {"format": 1, "person": "Ada Byron", "purpose": "German version of 'Harbour'",
     "until": "2027-12-31", "media": ["harbour_r3_*"]}

`consent.schema.json` says the same to editors and other programs.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stylesync_engine.errors import about
from stylesync_engine.files import hash_once, read_bounded
from stylesync_engine.origin.people import consent_of, name_of
from stylesync_engine.origin.studio import read_studio
from stylesync_engine.records import strict_json
from stylesync_engine.request import DubRequest, RequestError

FORMAT = 1
_REQUIRED = ("format", "person", "purpose", "until")
_OPTIONAL = ("since", "media", "sha256", "document")
_BYTES = 2**20
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Consent:
    """`person` agrees to be dubbed for `purpose`, from `since` until `until`, both days included.

    `media` are patterns of the clips' file names that the consent is for, with or without their
    suffix; none means all. `sha256` are those of the clips' files; without any, names are enough.
    `document` says where the signed paper is.
    """

    person: str
    purpose: str
    until: datetime.date
    since: datetime.date | None = None
    media: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    document: str | None = None

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "format": FORMAT,
            "person": self.person,
            "purpose": self.purpose,
            "until": self.until.isoformat(),
        }
        if self.since is not None:
            data["since"] = self.since.isoformat()
        if self.media:
            data["media"] = list(self.media)
        if self.sha256:
            data["sha256"] = list(self.sha256)
        if self.document is not None:
            data["document"] = self.document
        return data

    def check(self, video: str, person: str | None, today: datetime.date) -> None:
        """Raise RequestError where it is for another person or clip, over, or not begun."""
        if person is not None and _plain(person) != _plain(self.person):
            raise RequestError(
                f"The consent is {self.person}'s, but {person} is to be dubbed; give the consent of"
                " that person."
            )
        if today > self.until:
            raise RequestError(f"{self.person}'s consent ended on {self.until}; ask for a new one.")
        if self.since is not None and today < self.since:
            raise RequestError(
                f"{self.person}'s consent begins on {self.since}; dub then, or ask for an earlier"
                " one."
            )
        for name in _real_names(video) if self.media else ():
            if not any(_covers(pattern, name) for pattern in self.media):
                raise RequestError(
                    f"{self.person}'s consent is for {', '.join(self.media)}, not for"
                    f" '{name}'; ask for one that names it."
                )
        if self.sha256 and not {hash_once(path) for path in _files(video)} <= {*self.sha256}:
            raise RequestError(
                f"{self.person}'s consent is for other files than '{Path(video).name}', by their"
                " sha256; ask for one that names it."
            )


def check_consent(request: DubRequest, today: datetime.date | None = None) -> Consent | None:
    """The consent that the request names, if it holds today for this clip and person.

    Raises RequestError where it does not, and where the studio requires one and there is none.
    """
    return consent_for(request.video, name_of(request.person), consent_of(request), today)


def consent_for(
    video: str, person: str | None, path: str | None, today: datetime.date | None = None
) -> Consent | None:
    """The same for whatever else shows or learns a person's mouth; `path` is the record's."""
    studio = read_studio()
    if path is None:
        if studio.consent_required:
            raise RequestError(
                "This studio dubs only with the person's consent on record; give it.",
                "consent",
            )
        return None
    with about("consent"):
        consent = read_consent(path)
        consent.check(video, person, today or datetime.date.today())
    if studio.consent_by_hash and not consent.sha256:
        raise RequestError(
            f"This studio asks for the clip's sha256 in {consent.person}'s consent; add it.",
            "consent",
        )
    return consent


def read_consent(path: str | Path) -> Consent:
    """Read a record; raises RequestError, one sentence, for what is wrong with it."""
    try:
        data = strict_json(read_bounded(Path(path), _BYTES).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not JSON"
        raise RequestError(
            f"The consent '{path}' cannot be read ({reason}); give a record as the manual shows it."
        ) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RequestError(f"'{path}' is no consent of format {FORMAT}; write it anew.")
    unknown = sorted(set(data) - {*_REQUIRED, *_OPTIONAL})
    if unknown:
        raise RequestError(f"The consent '{path}' has an unknown field '{unknown[0]}'; remove it.")
    since = data.get("since")
    document = data.get("document")
    return Consent(
        person=_text(path, "person", data.get("person")),
        purpose=_text(path, "purpose", data.get("purpose")),
        until=_day(path, "until", data.get("until")),
        since=_day(path, "since", since) if since is not None else None,
        media=_texts(path, "media", data.get("media", [])),
        sha256=_texts(path, "sha256", data.get("sha256", [])),
        document=_text(path, "document", document) if document is not None else None,
    )


def _text(path: str | Path, name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RequestError(f"The consent '{path}' does not say its {name}; write it as text.")
    return value


def _day(path: str | Path, name: str, value: Any) -> datetime.date:
    try:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError(value)
        return datetime.date.fromisoformat(value)
    except ValueError as error:
        raise RequestError(
            f"The consent '{path}' has no valid day in '{name}'; write YYYY-MM-DD."
        ) from error


def _texts(path: str | Path, name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RequestError(f"The {name} of the consent '{path}' must be a list of texts.")
    return tuple(_text(path, name, entry) for entry in value)


def _files(video: str) -> list[Path]:
    if "%" not in video and "#" not in video:
        return [Path(video)]
    from stylesync_engine.media import files_of  # which the panel's start does without

    return files_of(video)


def _real_names(video: str) -> list[str]:
    """What the clip's file is called where it really lies; of a sequence the pattern, and every
    image that is a link to elsewhere."""
    path, files = Path(video), _files(video)
    if files == [path]:
        return [path.resolve().name]
    return [path.name, *sorted({file.resolve().name for file in files if file.is_symlink()})]


def _covers(pattern: str, video: str) -> bool:
    names = (video, Path(video).stem)
    return any(fnmatchcase(_plain(name), _plain(pattern)) for name in names)


def _plain(text: str) -> str:
    """Letters alike however they were typed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
