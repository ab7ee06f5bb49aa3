"""The README as package indexes get it: its pictures and pages are found from there, too."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

pytest.importorskip("setuptools", reason="it comes with the extra `test`")

ROOT = Path(__file__).parents[2]
HOME = "https://example.org/somebody/napari-exactile"
BUILD = "from setuptools.build_meta import prepare_metadata_for_build_wheel as prepare; prepare('built')"
ADDRESS = re.compile(r"\]\(([^)\s]+)\)")


def metadata(folder: Path, home: str) -> Message:
    """Build the metadata of a copy of the project whose public home is there."""
    for name in ("setup.py", "README.md", "LICENSE", "src/napari_exactile/version.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "src/napari_exactile/__init__.py").write_text("")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        re.sub(r'^home = ".*"$', f'home = "{home}"', project, flags=re.MULTILINE), encoding="utf-8"
    )
    (folder / "built").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (file,) = (folder / "built").glob("*/METADATA")
    return message_from_string(file.read_text(encoding="utf-8"))


def test_pictures_and_pages_of_the_readme_have_addresses_in_an_index(tmp_path: Path) -> None:
    """With a public home, each address in the description is absolute, and the file it leads to is there."""
    built = metadata(tmp_path, HOME)
    addresses = ADDRESS.findall(built.get_payload())
    assert not [one for one in addresses if not one.startswith(("https://", "#"))]
    assert "![The dock in napari" in built.get_payload()
    pictures = [one for one in addresses if one.startswith(f"{HOME}/raw/HEAD/")]
    pages = [one for one in addresses if one.startswith(f"{HOME}/blob/HEAD/")]
    assert pictures
    assert pages
    for one in [*pictures, *pages]:
        assert (ROOT / one.split("/HEAD/")[1].partition("#")[0]).is_file()
    assert f"Homepage, {HOME}" in built.get_all("Project-URL")


def test_without_a_home_the_readme_is_as_it_is(tmp_path: Path) -> None:
    """Until there is a public home, the description is the README, with its relative addresses."""
    built = metadata(tmp_path, "")
    assert built.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    assert built["Description-Content-Type"] == "text/markdown"
    assert built.get_all("Project-URL") is None
