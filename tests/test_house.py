"""The house rules hold: style, types, one-way imports, and what is said twice is said alike."""

import ast
import importlib.metadata
import inspect
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import napari_exactile

ROOT = Path(__file__).parents[1]
MOST_MODULES = 14


@pytest.mark.timeout(600)  # types, the first time, take a minute
@pytest.mark.parametrize("check", ["ruff check", "ruff format --check", "mypy", "lint-imports"])
def test_source_passes(check: str) -> None:
    """The source passes each check of `make lint`; what the check says is shown where it does not."""
    name, *arguments = check.split()
    program = shutil.which(name, path=Path(sys.executable).parent)
    if program is None:
        pytest.skip(f"{name} is not installed; it comes with the extra `lint`")
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_no_circle_of_imports() -> None:
    """No file imports itself through others, neither where it is used nor for its types only."""
    grimp = pytest.importorskip("grimp", reason="it comes with the extra `lint`")
    found = grimp.build_graph("napari_exactile", cache_dir=None)
    order = TopologicalSorter({name: found.find_modules_directly_imported_by(name) for name in found.modules})
    order.prepare()  # raises CycleError, which names the circle


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


@pytest.mark.parametrize(
    ("module", "heavy"), [("napari_exactile", "torch napari"), ("napari_exactile.cli", "napari qtpy")]
)
def test_import_is_light(module: str, heavy: str) -> None:
    """Scripts and the command line start without loading what they may never need."""
    code = f"import {module}, sys; print(*(name for name in {heavy.split()} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([], "")
