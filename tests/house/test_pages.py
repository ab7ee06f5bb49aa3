"""The pages lead somewhere: each has its place, what they name is there, all public names are described."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import napari_exactile

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
RELATIVE = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)[^)]*\)")
SNIPPET = re.compile(r'--8<-- "(.+?):(\d+):"')


def test_every_page_has_one_place() -> None:
    """Each file of docs/ stands once in the list of pages: tutorial, how-to, reference or explanation."""
    yaml = pytest.importorskip("yaml")
    listed = list(paths_in(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    assert sorted(listed) == [page.name for page in PAGES]


def paths_in(nav: Any) -> Iterator[str]:
    match nav:
        case str():
            yield nav
        case list():
            for one in nav:
                yield from paths_in(one)
        case dict():
            yield from paths_in(list(nav.values()))


@pytest.mark.parametrize("page", FILES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    """What a page links to or shows exists, where it is said relative to the page."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not [path for path in RELATIVE.findall(text) if not (page.parent / path).exists()]


def test_every_picture_is_shown() -> None:
    """No picture lies in docs/ that no page shows."""
    texts = "".join(page.read_text(encoding="utf-8") for page in FILES)
    pictures = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.png")]
    assert pictures
    assert not [path for path in pictures if path not in texts]


def test_every_public_name_is_in_the_reference() -> None:
    """The reference describes each public name once, and nothing else."""
    names = re.findall(r"^::: napari_exactile\.(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert Counter(names) == Counter(napari_exactile.__all__)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_shown(example: Path) -> None:
    """The gallery names each example and shows it from its first line of code on."""
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    shown = dict(SNIPPET.findall(text))
    path = example.relative_to(ROOT).as_posix()
    assert f"`{path}`" in text
    first = ast.parse(example.read_text(encoding="utf-8")).body[1]
    assert int(shown[path]) == first.lineno
