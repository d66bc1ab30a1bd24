"""Where a submitter's files lie on this worker: the path mapping rules of Open Job Description.

A session writes them into a file, `{{Session.PathMappingRulesFile}}`:
`{"version": "pathmapping-1.0", "path_mapping_rules": [{"source_path_format": "POSIX",
"source_path": "/mnt/show", "destination_path": "/sessions/1/show"}, ...]}`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from stylesync_engine.files import read_bounded
from stylesync_engine.records import strict_json
from stylesync_engine.request import DubRequest, RequestError

_FORMATS: dict[str, type[PurePath]] = {"POSIX": PurePosixPath, "WINDOWS": PureWindowsPath}
_PATHS = ("video", "speech", "style", "style_speech", "person", "consent", "output", "work")


@dataclass(frozen=True, slots=True)
class PathRule:
    """What lies below `source`, in the submitter's way of writing, lies below `destination`."""

    source: PurePath
    destination: Path

    def apply(self, path: str) -> str | None:
        """The path on this worker; None where the rule does not speak of it."""
        asked = type(self.source)(path)  # Windows paths compare without regard to case
        if not asked.is_relative_to(self.source):
            return None
        return str(self.destination.joinpath(*asked.relative_to(self.source).parts))


@dataclass(frozen=True, slots=True)
class PathMapping:
    """Rules, the most particular first; without any, every path stays as it is."""

    rules: tuple[PathRule, ...] = ()

    def map(self, path: str) -> str:
        found = (rule.apply(path) for rule in self.rules)
        return next((mapped for mapped in found if mapped is not None), path)

    def map_request(self, request: DubRequest) -> DubRequest:
        """The request as this worker sees its files, models and appearance included."""
        places = {name: self.map(path) for name in _PATHS if (path := getattr(request, name))}
        options = dataclasses.replace(
            request.options,
            models=self.map(request.options.models),
            appearance=self.map(request.options.appearance),
        )
        beside = request.beside and tuple(map(self.map_request, request.beside))
        return dataclasses.replace(request, **places, options=options, beside=beside)  # type: ignore[arg-type]


def read_path_mapping(file: Path | None) -> PathMapping:
    """The rules of a session's file; none without a file. Raises RequestError for another file."""
    if file is None:
        return PathMapping()
    try:
        data = strict_json(read_bounded(file, 2**24))
        rules = [_rule(entry) for entry in data.get("path_mapping_rules") or ()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RequestError(
            f"'{file}' holds no path mapping rules; see the session's log for who wrote it."
        ) from error
    return PathMapping(tuple(sorted(rules, key=lambda rule: -len(rule.source.parts))))


def _rule(data: dict[str, Any]) -> PathRule:
    source = _FORMATS[data["source_path_format"].upper()](data["source_path"])
    return PathRule(source, Path(data["destination_path"]))
