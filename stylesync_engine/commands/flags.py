"""The flags of a command: a request's fields by name, with what these say of themselves.

@takes_flags("video", "speech", "quality")
def bench(as_json: Json = False, **flags: Any) -> None: ...
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from stylesync_engine.records import choices_of, hints_of
from stylesync_engine.request import DubOptions, DubRequest

RequestFile = Annotated[str, typer.Argument(metavar="REQUEST.json", help="A request, as data.")]
Work = Annotated[str, typer.Option("--work", metavar="DIR", help="The plan's folder.")]


def takes_flags(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of these fields of a request, or of all."""
    flags = request_flags(DubRequest) | request_flags(DubOptions)
    return takes({name: flag for name, flag in flags.items() if not names or name in names})


def takes(flags: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command flags by name, each of a type as typer reads it; those that the caller gave
    arrive as its `**flags`, or where it names them."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        keyword, theirs = inspect.Parameter.KEYWORD_ONLY, signature.parameters.values()
        own = [p for p in theirs if p.kind is not p.VAR_KEYWORD and p.name not in flags]
        own.sort(key=lambda p: p.name == "as_json")
        asked = [
            inspect.Parameter(name, keyword, default=None, annotation=flag)
            for name, flag in flags.items()
        ]
        at = len(own) - (own[-1].name == "as_json")
        parameters = [p.replace(kind=keyword) for p in (*own[:at], *asked, *own[at:])]

        @functools.wraps(command)
        def called(**words: Any) -> None:
            given = {name: words.pop(name) for name in flags}
            command(**words, **{n: value for n, value in given.items() if value is not None})

        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in parameters}
        return called

    return decorate


def request_flags(kind: type, earlier: bool = True) -> dict[str, Any]:
    """The type of each field's flag, as typer reads it, by the field's name; flags that had
    another name are known by that, too, where the `earlier` are wanted."""
    return {
        entry.name: _flag(entry, hints_of(kind)[entry.name], earlier)
        for entry in dataclasses.fields(kind)
        if "what" in entry.metadata
    }


def flag_name(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _flag(entry: dataclasses.Field[Any], hint: Any, earlier: bool) -> Any:
    what, default = entry.metadata["what"], entry.default
    if hint is bool:
        return Annotated[bool | None, typer.Option(flag_name(entry.name), help=f"{what}.")]
    if default not in (None, dataclasses.MISSING, ()):
        what += (
            f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
        )
    numbers = [k for k in (int, float) if hint in (k, k | None) and not entry.metadata["read"]]
    written = entry.metadata["written"] or "|".join(choices_of(hint))
    former = [flag_name(was)] if earlier and (was := entry.metadata["was"]) else []
    option = typer.Option(flag_name(entry.name), *former, metavar=written, help=f"{what}.")
    return Annotated[(numbers[0] if numbers else str) | None, option]
