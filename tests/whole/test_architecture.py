"""The house as a test: layers, borders between packages, torch-free imports, public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

import stylesync_engine.request

PACKAGES = [
    ROOT / "stylesync_engine",
    ROOT / "plugin/stylesync_plugin",
    ROOT / "ui/stylesync_ui",
    ROOT / "training/stylesync_training",
]
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
# Pictures and tensors in, pictures and tensors out.
PURE = ("models", "mouth", "pictures")
PURE_MODULES = [path for path in MODULES if path.relative_to(ROOT).with_suffix("").parts[1] in PURE]
FILES_AND_MEDIA = {
    "av",
    "io",
    "os",
    "pathlib",
    "safetensors",
    "soundfile",
    "stylesync_engine.weights.loading",
    "stylesync_engine.media",
}
UNSAFE = {"cloudpickle", "dill", "joblib", "pickle", "shelve"}
# These exist only inside their hosts.
HOST_MODULES = {"bpy", "hiero", "nuke", "nukescripts", "DaVinciResolveScript", "fusionscript"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Every module that the code may import, `from a import b` as both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def called_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_the_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", PURE_MODULES, ids=name_of)
def test_models_and_pictures_never_see_a_path(path: Path) -> None:
    tree = parse(path)
    assert [name for name in imported_names(tree) if is_within(name, FILES_AND_MEDIA)] == []
    assert "open" not in set(called_names(tree))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_unpickled_and_no_shell_is_started(path: Path) -> None:
    tree = parse(path)
    assert [name for name in imported_names(tree) if is_within(name, UNSAFE)] == []
    assert not {"os.system", "os.popen", "eval", "exec"} & set(called_names(tree))
    loads = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    loads = [node for node in loads if ast.unparse(node.func) == "torch.load"]
    assert all("weights_only=True" in ast.unparse(node) for node in loads)
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    assert "shell" not in {keyword.arg for keyword in keywords}


def test_rooms_and_files_stay_small() -> None:
    rooms = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {name_of(room): n for room, n in rooms.items() if n > 16} == {}
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: n for name, n in lines.items() if n > 350} == {}
    floor = {
        path.relative_to(ROOT).parts[1] for path in MODULES if path.is_relative_to(PACKAGES[0])
    }
    assert len(floor) <= 27


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_functions_stay_short(package: Path) -> None:
    lengths = {
        f"{name_of(path)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in package.rglob("*.py")
        for node in ast.walk(parse(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {name: length for name, length in lengths.items() if length > 60} == {}
    assert statistics.median(lengths.values() or [0]) < 15


@pytest.mark.parametrize("package", ["stylesync_plugin", "stylesync_ui"])
def test_importing_plugin_and_panel_leaves_torch_alone(package: str) -> None:
    code = f"""
import importlib, pkgutil, sys
import {package}
for found in pkgutil.walk_packages({package}.__path__, "{package}."):
    if not found.name.endswith("__main__"):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name not in {HOST_MODULES!r}:
                raise
heavy = {{"torch", "diffusers", "transformers", "librosa", "av"}} & set(sys.modules)
qt = {{name for name in sys.modules if name.startswith("PySide")}}
print(sorted(heavy | (qt if "{package}" == "stylesync_plugin" else set())))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_request_needs_the_standard_library_alone() -> None:
    ours = {"stylesync_engine.request", "stylesync_engine.errors"}
    ours |= {"stylesync_engine.records", "stylesync_engine.ranges"}
    for module in ours:
        path = ROOT / f"{module.replace('.', '/')}.py"
        names = {name for name in imported_names(parse(path)) if not is_within(name, ours)}
        found = {name.partition(".")[0] for name in names}
        assert found <= sys.stdlib_module_names | {"__future__"}, module


def test_the_public_names_of_the_request() -> None:
    assert {
        "Cancelled",
        "Codec",
        "Credentials",
        "Delivery",
        "DiskError",
        "DubError",
        "DubOptions",
        "DubRequest",
        "DubResult",
        "FrameRange",
        "Landmarks",
        "Length",
        "Mark",
        "MediaError",
        "ModelError",
        "NoFaceError",
        "OnProgress",
        "Progress",
        "Quality",
        "RequestError",
        "Sampler",
        "SMALLEST_FACE",
        "SpeakerPoint",
        "Stage",
        "StyleReading",
        "WITHOUT_ALPHA",
        "parse_rate",
        "to_dict",
    } <= set(vars(stylesync_engine.request))


PUBLIC_FUNCTIONS = {
    "stylesync_engine.dubbing": {
        "dub": ["request", "models", "on_progress", "wait"],
        "prepare": ["request", "work", "models", "on_progress"],
        "render": ["work", "frames", "models", "on_progress"],
        "assemble": ["work", "on_progress"],
        "probe": ["path", "on_progress", "images_rate"],
    },
    "stylesync_engine.weights.loading": {
        "list_models": [],
        "verify_models": ["name_or_dir"],
        "pull_models": ["name", "source"],
        "import_model": ["kind", "path"],
        "load_models": ["name", "device"],
    },
}


@pytest.mark.parametrize("module", PUBLIC_FUNCTIONS)
def test_the_public_functions_keep_their_parameters(module: str) -> None:
    found, expected = importlib.import_module(module), PUBLIC_FUNCTIONS[module]
    assert {
        name: list(inspect.signature(getattr(found, name)).parameters) for name in expected
    } == expected
