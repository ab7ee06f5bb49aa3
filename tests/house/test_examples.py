"""Examples in docstrings are true."""

import doctest
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import napari_exactile

PACKAGE = Path(napari_exactile.__file__).parent
WITH_EXAMPLES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_examples_give_what_they_say(path: Path) -> None:
    """Each example of a module runs and gives what stands below it."""
    examples = [line for line in path.read_text(encoding="utf-8").splitlines() if ">>> " in line]
    if find_spec("torch") is None and any("torch" in line or "as ex" in line for line in examples):
        pytest.skip("its examples run networks")
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    found = doctest.testmod(import_module(name))
    assert found.attempted
    assert not found.failed
