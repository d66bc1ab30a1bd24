"""An AAF as Avid and Premiere write it, made by pyaaf2: each item's frames are known by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from stylesync_plugin.formats.files import read_timeline
from stylesync_plugin.timeline.layout import lay_out

from stylesync_engine.request import RequestError

aaf2 = pytest.importorskip("aaf2")
LENGTH = 250


class Cut:
    """A file with two linked clips; items are laid one after the other."""

    def __init__(self, file: Any, rate: Fraction) -> None:
        self.file, self.rate = file, f"{rate.numerator}/{rate.denominator}"
        self.masters = {name: self._linked(name) for name in ("a", "b")}

    def _linked(self, name: str) -> tuple[Any, int]:
        create = self.file.create
        source = create.SourceMob(f"{name}.PHYS")
        source.descriptor = create.CDCIDescriptor()
        told = {"ComponentWidth": 8, "HorizontalSubsampling": 2, "SampleRate": self.rate,
                "Length": LENGTH, "StoredHeight": 90, "StoredWidth": 160, "VideoLineMap": [0, 0],
                "FrameLayout": "FullFrame", "ImageAspectRatio": "16/9"}  # fmt: skip
        for key, value in told.items():
            source.descriptor[key].value = value
        place = create.NetworkLocator()
        place["URLString"].value = f"file:///E:/Media/{name}.mov"
        source.descriptor["Locator"].append(place)
        slot = source.create_picture_slot(self.rate)
        slot.segment = create.SourceClip(media_kind="picture")
        slot.segment.length = LENGTH
        master = create.MasterMob(f"{name}.mov")
        shown = master.create_picture_slot(self.rate)
        shown.segment = source.create_source_clip(slot.slot_id, 0, LENGTH, "picture")
        self.file.content.mobs.extend([source, master])
        return master, shown.slot_id

    def clip(self, name: str, first: int, length: int) -> Any:
        master, slot = self.masters[name]
        return master.create_source_clip(slot, first, length, "picture")

    def sequence(self, *items: Any) -> Any:
        made = self.file.create.Sequence(media_kind="picture")
        made.components.extend(items)
        made.length = sum(item.length for item in items)
        return made

    def composition(self, name: str, *items: Any) -> tuple[Any, int]:
        mob = self.file.create.CompositionMob(name)
        slot = mob.create_picture_slot(self.rate)
        slot.segment = self.sequence(*items)
        self.file.content.mobs.append(mob)
        return mob, slot.slot_id

    def effect(self, item: Any) -> Any:
        kind = aaf2.auid.AUID("f1db0f32-8d64-11d3-80df-006008143e6f")
        told = self.file.create.OperationDef(kind, "Blur", "")
        told.media_kind = "picture"
        told["NumberInputs"].value = 1
        self.file.dictionary.register_def(told)
        group = self.file.create.OperationGroup(told, item.length)
        group.media_kind = "picture"
        group.segments.append(item)
        return group


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001)])
def test_linked_clips_effects_and_groups_show_their_frames(tmp_path: Path, rate: Fraction) -> None:
    path = tmp_path / "cut.aaf"
    with aaf2.open(str(path), "w") as file:
        cut = Cut(file, rate)
        group, slot = cut.composition("sub", cut.clip("b", 60, 30), cut.clip("a", 120, 30))
        whole, _ = cut.composition(
            "cut", cut.clip("a", 10, 25), file.create.Filler("picture", 15),
            cut.effect(cut.clip("b", 40, 20)),
            cut.sequence(cut.clip("a", 100, 10), cut.clip("b", 50, 10)),
            group.create_source_clip(slot, 20, 25, "picture"), cut.clip("a", 200, 25),
        )  # fmt: skip
        whole.usage = "Usage_TopLevel"
    found = [
        (
            placed.root_span.start * rate, placed.root_span.end * rate,
            placed.clip.media_reference.target_url[-5:],
            placed.media(placed.to_root.inverse()(placed.root_span.start)) * rate,
        )
        for placed in lay_out(read_timeline(path)).clips
    ]  # fmt: skip
    assert found == [
        (0, 25, "a.mov", 10), (40, 60, "b.mov", 40), (60, 70, "a.mov", 100), (70, 80, "b.mov", 50),
        (80, 90, "b.mov", 80), (90, 105, "a.mov", 120), (105, 130, "a.mov", 200),
    ]  # fmt: skip


def test_a_file_without_a_sequence_says_so(tmp_path: Path) -> None:
    path = tmp_path / "bin.aaf"
    with aaf2.open(str(path), "w"):
        pass
    with pytest.raises(RequestError, match="holds no timeline; export the sequence"):
        read_timeline(path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:8] * 100, b"no AAF"):
        path.write_bytes(damaged)
        with pytest.raises(RequestError, match=r"cannot be read as AAF \(.*\); export it again"):
            read_timeline(path)
