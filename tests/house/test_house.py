"""The house rules hold: style, types, one-way imports, and what is said twice is said alike."""

import ast
import importlib.metadata
import importlib.util
import inspect
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import napari_exactile

ROOT = Path(__file__).parents[2]
MOST_MODULES = 14
MOST_LINES = 400


@pytest.mark.timeout(600)  # types, the first time, take a minute
@pytest.mark.parametrize("check", ["ruff check", "ruff format --check", "mypy", "lint-imports"])
def test_source_passes(check: str) -> None:
    """The source passes each check of `make lint`; what the check says is shown where it does not."""
    name, *arguments = check.split()
    program = shutil.which(name, path=Path(sys.executable).parent)
    if program is None:
        pytest.skip(f"{name} is not installed; it comes with the extra `lint`")
    if name == "mypy" and tuple(map(int, importlib.metadata.version("numpy").split(".")[:2])) < (2, 4):
        pytest.skip("arrays have other types in the stubs of older numpy")
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_no_circle_of_imports() -> None:
    """No file imports itself through others, neither where it is used nor for its types only."""
    grimp = pytest.importorskip("grimp", reason="it comes with the extra `lint`")
    found = grimp.build_graph("napari_exactile", cache_dir=None)
    order = TopologicalSorter({name: found.find_modules_directly_imported_by(name) for name in found.modules})
    order.prepare()  # raises CycleError, which names the circle


def imported_names(path: Path) -> set[tuple[str, str]]:
    """Return the modules of ours that a file imports from, in functions too, and the names that it takes."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in nodes if (node.module or "").startswith("napari_exactile")]
    return {(str(node.module), alias.name) for node in ours for alias in node.names}


def test_tests_stand_in_the_rooms_of_what_they_test() -> None:
    """A file of tests has a name of its own, at most 400 lines, and needs no other: help is in `support`."""
    package, tests = ROOT / "src/napari_exactile", ROOT / "tests"
    rooms = {path.parent.relative_to(package) for path in package.rglob("__init__.py")}
    paths = sorted(tests.rglob("test_*.py"))
    places = {path.relative_to(tests).parent for path in paths} - {Path("house"), Path("bench")}
    assert places <= rooms - {Path()}
    names = [path.stem for path in paths]
    assert len(set(names)) == len(names)
    assert not [path.name for path in paths if len(path.read_text().splitlines()) > MOST_LINES]
    nodes = [
        (path.name, node) for path in tests.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))
    ]
    assert not [name for name, node in nodes if isinstance(node, ast.ImportFrom) and node.module in names]


def test_what_is_imported_exists() -> None:
    """Every name that is taken from a module of ours is there, also where it is imported in a function."""
    paths = [path for name in ("src", "tests", "bench", "scripts") for path in (ROOT / name).rglob("*.py")]
    found = {one for path in paths for one in imported_names(path)}
    missing = []
    for module, name in sorted(found):
        there = hasattr(importlib.import_module(module), name)
        if not there and importlib.util.find_spec(f"{module}.{name}") is None:
            missing.append(f"{module}.{name}")
    assert not missing


def test_rooms_can_be_looked_over() -> None:
    """No package has more than 14 modules, and each says what lives there."""
    for room in (ROOT / "src/napari_exactile").rglob("__init__.py"):
        modules = [path for path in room.parent.glob("*.py") if path != room]
        assert len(modules) <= MOST_MODULES, room.parent
        assert ast.get_docstring(ast.parse(room.read_text())), room.parent


def test_version_is_the_installed_one() -> None:
    """The package says its version once, and the installed one has it."""
    assert importlib.metadata.version("napari-exactile") == napari_exactile.__version__


def test_manifest_at_the_root_is_the_packaged_one() -> None:
    """The plugin manifest that people find at the root says what the packaged one says."""
    at_root = ROOT / "napari.yaml"
    text = at_root.read_text()
    if len(text.splitlines()) == 1:  # a checkout without symbolic links holds the link's target
        text = (at_root.parent / text.strip()).read_text()
    assert text == (ROOT / "src/napari_exactile/napari.yaml").read_text()


def test_continuous_integration_runs_what_the_readme_says() -> None:
    """.ci/run ends with the README's test command."""
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "make test"
    assert "\nmake test" in (ROOT / "README.md").read_text()


def test_public_names_are_documented() -> None:
    """Every public name exists and says what it is; classes and functions by a docstring of their own."""
    names = getattr(napari_exactile, "__all__", ())
    if not names:
        pytest.skip("napari_exactile has no __all__ yet")
    things = {name: getattr(napari_exactile, name) for name in names}
    callables = {name: thing for name, thing in things.items() if callable(thing)}
    assert not [name for name, thing in callables.items() if not inspect.getdoc(thing)]


def test_public_names_have_examples() -> None:
    """Every public class and function shows how it is used, in a docstring of its own."""
    things = {name: getattr(napari_exactile, name) for name in napari_exactile.__all__}
    own = {
        name: vars(thing).get("__doc__", thing.__doc__) for name, thing in things.items() if callable(thing)
    }
    assert not [name for name, words in own.items() if ">>> " not in (words or "")]


def test_public_names_are_said_alike() -> None:
    """What is imported late, what is public, and what type checkers see are the same names, in order."""
    tree = ast.parse((ROOT / "src/napari_exactile/__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [(node.module, alias.name) for node in block.body for alias in node.names]
    homes = napari_exactile._HOMES
    assert imports == [(f"napari_exactile.{home}", name) for home, names in homes.items() for name in names]
    assert napari_exactile.__all__ == sorted(name for _home, name in imports)


@pytest.mark.parametrize(
    ("module", "heavy"), [("napari_exactile", "torch napari"), ("napari_exactile.cli", "napari qtpy")]
)
def test_import_is_light(module: str, heavy: str) -> None:
    """Scripts and the command line start without loading what they may never need."""
    code = f"import {module}, sys; print(*(name for name in {heavy.split()} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([], "")
