"""The fakes of editors that are not here can do what their published stubs name, and no more."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import hiero_fake
import pytest
import resolve_fake
from published_names import Published, hiero_module


def fakes_of(module: ModuleType) -> list[type[Published]]:
    kinds = inspect.getmembers(module, inspect.isclass)
    return [kind for _, kind in kinds if issubclass(kind, Published) and kind is not Published]


FAKES = fakes_of(resolve_fake) + fakes_of(hiero_fake)


def bare(kind: type[Published]) -> Any:
    """An object of the class that knows nothing; enough to see which calls it takes."""
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", FAKES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_call_that_the_api_does_not_have_fails(kind: type[Published]) -> None:
    assert kind.stub
    with pytest.raises(AttributeError):
        bare(kind).ask_for_selection()
    with pytest.raises(TypeError, match="no published method"):
        type("Other", (kind,), {"ask_for_selection": lambda self: []})
    with pytest.raises(TypeError, match="no published method"):
        type("Other", (kind,), {"isSelected": True})


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in FAKES for name in sorted(kind.stub) if hasattr(kind, name)],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_a_call_with_other_arguments_fails(kind: type[Published], name: str) -> None:
    most = max(most for _, most in kind.stub[name])
    call = getattr(bare(kind), name)
    if most < 99:  # what takes any number is published so
        with pytest.raises(TypeError, match=f"{name} does not take {most + 1} arguments"):
            call(*range(most + 1))
    with pytest.raises(TypeError, match="unexpected keyword"):
        call(loudly=True)


def test_inherited_methods_are_published_for_the_heir_too() -> None:
    """A video track's methods are not an audio track's."""
    names = {"items": [(0, 0)], "setView": [(1, 1)]}
    track: Any = type(
        "Video", (Published,), {name: lambda self: None for name in names}, stub=names
    )
    with pytest.raises(TypeError, match="no published method setView"):
        type("Audio", (track,), {}, stub={"items": [(0, 0)]})


def test_modules_have_published_names_alone() -> None:
    with pytest.raises(TypeError, match=r"hiero\.ui has no published selectedItems"):
        hiero_module("hiero.ui", {"activeSequence": len, "selectedItems": len})
    with pytest.raises(TypeError, match=r"hiero\.core has no published Dub"):
        hiero_module("hiero.core", {"Dub": object})
    with pytest.raises(AttributeError):
        hiero_module("hiero.ui", {"activeSequence": len}).selectedItems()
