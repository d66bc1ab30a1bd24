"""The pages for editors name commands and options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from places import ROOT
from stylesync_plugin.commands.app import app as timelines

from stylesync_engine.commands.app import app as engine

PROGRAMS = {"stylesync": timelines, "stylesync-engine": engine}
PAGES = sorted((ROOT / "packaging/hosts").glob("*.md"))
COMMAND = re.compile(r"(?:^ {4,}|`)(stylesync(?:-engine)? [^`\n]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_commands_are_as_the_page_says(page: Path) -> None:
    written = COMMAND.findall(page.read_text(encoding="utf-8"))
    assert written
    for line in written:
        program, name, *words = shlex.split(line)
        commands = typer.main.get_command(PROGRAMS[program]).commands  # type: ignore[attr-defined]
        assert name in commands, line
        command = commands[name]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line
