"""What all tests share; where torch or napari are not installed, tests that import them are skipped."""

from __future__ import annotations

import sys
from collections.abc import Collection
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Images, label stores and much of the command line need none of these, and `make test-bare` installs none.
HEAVY = ("torch", "napari", "qtpy", "pytestqt", "magicgui", "superqt", "monai", "bioimageio", "ruyaml")

# A deadline would be a stopwatch: on a busy machine it fails tests of what is right.
settings.register_profile("no stopwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no stopwatch")


class Skipping(MetaPathFinder):
    """Skips the test, or the file of tests, that imports a package which is not there."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] in self.names:
            pytest.skip(f"{fullname} is not installed", allow_module_level=True)


# Fixtures that two files share; most need a network or a viewer.
pytest_plugins = ["small_screens"]
if find_spec("torch") and find_spec("napari"):
    pytest_plugins += ["viewers"]
else:
    sys.meta_path.insert(0, Skipping({name for name in HEAVY if find_spec(name) is None}))
