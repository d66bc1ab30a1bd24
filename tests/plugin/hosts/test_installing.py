"""Loaders in and out of an editor's folder: nothing stays, nothing of others goes."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from clip_fixtures import disk_of
from stylesync_plugin.commands.app import main
from stylesync_plugin.hosts import installing
from stylesync_plugin.hosts.installing import (
    HOSTS,
    LOADERS,
    find_folder,
    install_loader,
    loader_files,
)

from stylesync_engine import __version__
from stylesync_engine.request import DiskError, MediaError, RequestError


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_stays_behind(host: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("x = 1\n")
    before = tree(tmp_path)
    assert main(["install", host, "--to", str(tmp_path / "new/deep")]) == 0
    placed = tree(tmp_path)
    assert main(["install", host, "--to", str(tmp_path / "new/deep")]) == 0  # once more is the same
    assert tree(tmp_path).keys() == placed.keys()
    folder = tmp_path / "new/deep" / HOSTS[host][1]
    compiled = folder / "__pycache__"
    compiled.mkdir()
    for source in folder.glob("*.py"):
        (compiled / f"{source.stem}.cpython-311.pyc").write_bytes(b"compiled by the host")
    assert main(["uninstall", host, "--to", str(tmp_path / "new/deep")]) == 0
    assert tree(tmp_path) == before


def test_what_the_host_compiles_goes_too(tmp_path: Path) -> None:
    install_loader("nuke", tmp_path / "Startup")
    code = "import sys; sys.path.append(sys.argv[1]); import stylesync_hiero.program"
    plain = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code, str(tmp_path / "Startup")]
    subprocess.run(command, check=True, env=plain)
    assert len(list(tmp_path.rglob("*.pyc"))) == 2
    (tmp_path / "Startup/stylesync_hiero/.DS_Store").write_bytes(b"a file browser was here")
    installing.uninstall_loader("nuke", tmp_path / "Startup")
    assert list(tmp_path.iterdir()) == []


def test_the_current_folder_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    before = tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["install", "nuke", "--to", "new/deep"]) == 0
    monkeypatch.chdir(tmp_path / "there")
    assert main(["uninstall", "nuke", "--to", "../new/deep"]) == 0
    assert tree(tmp_path) == before


@pytest.mark.parametrize("host", HOSTS)
def test_a_full_disk_leaves_nothing(host: str, tmp_path: Path) -> None:
    with disk_of(500), pytest.raises(DiskError, match="cannot be written"):
        install_loader(host, tmp_path / "new/deep")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", HOSTS)
def test_what_others_changed_is_not_deleted(host: str, tmp_path: Path) -> None:
    first, *_ = install_loader(host, tmp_path)
    first.write_text(first.read_text() + "# mine\n")
    (first.parent / "theirs.txt").write_text("keep")
    before = tree(tmp_path)
    with pytest.raises(RequestError, match="theirs.txt"):
        installing.uninstall_loader(host, tmp_path)
    with pytest.raises(RequestError, match=first.name):
        install_loader(host, tmp_path)
    assert tree(tmp_path) == before


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "StyleSync").mkdir()
    with pytest.raises(RequestError, match="not ours"):
        install_loader("resolve", tmp_path)
    with pytest.raises(RequestError, match="no loader of ours"):
        installing.uninstall_loader("resolve", tmp_path)
    link = tmp_path / "elsewhere"
    link.write_text("keep")
    (tmp_path / "StyleSync").rmdir()
    install_loader("resolve", tmp_path)
    (tmp_path / "StyleSync" / "link.py").symlink_to(link)
    with pytest.raises(RequestError, match="link.py"):
        installing.uninstall_loader("resolve", tmp_path)


@pytest.mark.parametrize("host", HOSTS)
def test_loaders_name_their_program_and_are_short(host: str, tmp_path: Path) -> None:
    written = install_loader(host, tmp_path)
    program = json.dumps(str(Path(sys.executable).with_name("stylesync")))
    texts = [path.read_text() for path in written if path.suffix == ".py"]
    assert sum(f"PROGRAM = {program}" in text for text in texts) >= 1
    assert all(len(text.splitlines()) < 60 for text in texts)
    assert b'PROGRAM = "stylesync"' in b"".join(loader_files(host).values())


def test_nothing_can_shadow_a_studios_modules(tmp_path: Path) -> None:
    """One folder goes into a host, of a name that is ours; no file touches the search path.

    Scripts of DaVinci Resolve have names that cannot be imported.
    """
    for host, (_, folder) in HOSTS.items():
        install_loader(host, tmp_path / host)
        assert [path.name for path in (tmp_path / host).iterdir()] == [folder]
        assert folder.lower().startswith("stylesync")
        if host == "resolve":
            names = [path.stem for path in (tmp_path / host / folder).glob("*.py")]
            assert names
            assert not any(name.isidentifier() for name in names)
    for path in LOADERS.rglob("*.py"):
        parsed = ast.parse(path.read_text())
        touched = {
            ast.unparse(node) for node in ast.walk(parsed) if isinstance(node, ast.Attribute)
        }
        assert not {"sys.path", "sys.modules", "site.addsitedir"} & touched


def test_a_studios_timeline_adapters_and_hooks_stay_in_force() -> None:
    """OpenTimelineIO takes the first adapter that claims a suffix, and runs what hooks name."""
    manifest = json.loads(LOADERS.with_name("plugin_manifest.json").read_text(encoding="utf-8"))
    named = manifest["adapters"] + manifest["hook_scripts"]
    assert all(entry["name"].startswith("stylesync_") for entry in named)
    assert [entry["suffixes"] for entry in manifest["adapters"] if entry["suffixes"]] == []
    assert manifest["hooks"] == {}


def test_loading_leaves_the_search_path_and_modules_alone(tmp_path: Path, qapp: Any) -> None:
    import hiero_case

    before, known = list(sys.path), set(sys.modules)
    hiero_case.open_sequence(tmp_path)
    assert sys.path == before
    fresh = {name.partition(".")[0] for name in set(sys.modules) - known}
    hiero_case.forget()
    assert fresh - {"av", "numpy", "stylesync_engine"} <= {"hiero", "stylesync_hiero", "PySide6"}


def test_editors_are_found_where_they_keep_their_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BLENDER_USER_RESOURCES", raising=False)
    for host in HOSTS:
        with pytest.raises(RequestError, match="start it once"):
            find_folder(host)
    for version in ("3.6", "4.4", "5.0", "5.0-old"):
        (tmp_path / ".config/blender" / version).mkdir(parents=True)
    (tmp_path / ".nuke").mkdir()
    (tmp_path / ".local/share/DaVinciResolve/Fusion").mkdir(parents=True)
    found = {host: str(find_folder(host).relative_to(tmp_path)) for host in HOSTS}
    assert found == {
        "blender": ".config/blender/5.0/extensions/user_default",
        "nuke": ".nuke/Python/Startup",
        "resolve": ".local/share/DaVinciResolve/Fusion/Scripts/Edit",
    }


def test_the_extension_has_the_version_of_the_project() -> None:
    manifest = tomllib.loads(loader_files("blender")["blender_manifest.toml"].decode())
    assert manifest["version"] == __version__


def test_an_unknown_editor_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["install", "premiere", "--to", str(tmp_path)]) == 2
    assert "choose one of blender, nuke, resolve" in capsys.readouterr().err


@pytest.mark.parametrize("place", [installing.RECORD, "added.py"])
def test_what_never_ends_stands_in_nobodys_way(place: str, tmp_path: Path) -> None:
    """Nothing is waited for, and nothing of somebody else's is taken away."""
    install_loader("resolve", tmp_path)
    file = next(tmp_path.rglob(installing.RECORD)).with_name(place)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.raises(RequestError):
        installing.uninstall_loader("resolve", tmp_path)
    assert file.is_fifo()


def test_strips_that_never_end_are_refused(tmp_path: Path) -> None:
    from stylesync_plugin.hosts.blender import BlenderStrips

    for number, make in enumerate((os.mkfifo, lambda path: path.symlink_to("/dev/zero"))):
        source = tmp_path / f"{number}.json"
        make(source)
        with pytest.raises(MediaError, match="cannot be read as strips"):
            BlenderStrips(source, tmp_path / "out.json").read()


@pytest.mark.parametrize(
    "record", ["[]", "{}", '{"files": {}, "made": "x"}', '{"files": [], "made": 1}', "[" * 10**5]
)
def test_a_record_of_somebody_else_is_none_of_ours(record: str, tmp_path: Path) -> None:
    folder = tmp_path / HOSTS["nuke"][1]
    folder.mkdir()
    (folder / installing.RECORD).write_text(record)
    with pytest.raises(RequestError, match="no loader of ours"):
        installing.uninstall_loader("nuke", tmp_path)
    assert (folder / installing.RECORD).read_text() == record
