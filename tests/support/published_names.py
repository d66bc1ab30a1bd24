"""Fakes of applications that are not here: only what their published stubs name can be called."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

Arities = dict[str, list[tuple[int, int]]]


@functools.cache
def resolve_names() -> dict[str, Arities]:
    """Classes of DaVinci Resolve's API: methods with how many arguments each overload takes."""
    files = importlib.metadata.files("fusionscript-stubs") or []
    [stub] = [file for file in files if file.name == "fusionscript.pyi"]
    tree = ast.parse(Path(str(stub.locate())).read_text(encoding="utf-8"))
    return {node.name: _methods(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _methods(node: ast.ClassDef) -> Arities:
    found: Arities = {}
    for child in node.body:
        if isinstance(child, ast.FunctionDef):
            most = len(child.args.args) - 1
            least = most - len(child.args.defaults)
            found.setdefault(child.name, []).append((least, 99 if child.args.vararg else most))
    return found


@functools.cache
def hiero_names() -> dict[str, Arities]:
    """The same for Hiero: what `hiero_names.json` lists, with the classes that they build on."""
    classes = _listed()["classes"]

    def methods(name: str) -> Arities:
        own = {method: [tuple(arity)] for method, arity in classes[name]["methods"].items()}
        base = classes[name].get("base")
        return {**(methods(base) if base else {}), **own}

    return {name: methods(name) for name in classes}


def hiero_constants(name: str) -> tuple[str, ...]:
    """The values that a class of Hiero's has."""
    return tuple(_listed()["constants"][name])


def hiero_module(name: str, content: dict[str, Any]) -> ModuleType:
    """A module of Hiero's; raises TypeError for what has no published name there.

    Classes are those of `hiero_names`, in `hiero.core`.
    """
    known = set(_listed()["functions"].get(name, ()))
    if name == "hiero.core":
        known |= set(_listed()["classes"])
    if not content.keys() <= known:
        raise TypeError(f"{name} has no published {', '.join(sorted(content.keys() - known))}")
    module = ModuleType(name)
    vars(module).update(content)
    return module


@functools.cache
def _listed() -> Any:
    return json.loads(Path(__file__).with_name("hiero_names.json").read_text(encoding="utf-8"))


class Published:
    """A fake of one published class; defining or calling what that does not have raises.

    `constants` are published values; other public attributes are methods.
    """

    stub: ClassVar[Arities] = {}
    constants: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls, stub: Arities | None = None, constants: tuple[str, ...] | None = None
    ) -> None:
        super().__init_subclass__()
        cls.stub = cls.stub if stub is None else stub
        cls.constants = cls.constants if constants is None else constants
        own = {name for name in dir(cls) if not name.startswith("_")} - {"stub", "constants"}
        for name in sorted(own - set(cls.constants)):
            if name not in cls.stub:
                raise TypeError(f"{cls.__name__} has no published method {name}")
            if name in vars(cls):
                setattr(cls, name, _counted(vars(cls)[name], name, cls.stub[name]))


def _counted(method: Callable[..., Any], name: str, arities: list[tuple[int, int]]) -> Any:
    @functools.wraps(method)
    def call(self: Any, *arguments: Any) -> Any:
        if not any(least <= len(arguments) <= most for least, most in arities):
            raise TypeError(f"{name} does not take {len(arguments)} arguments")
        return method(self, *arguments)

    return call
