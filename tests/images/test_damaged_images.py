"""Whatever is damaged in a file of an image: it is read all the same, or refused in a sentence of our own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import napari_exactile as ex
from made_images import MAKERS, mutants
from napari_exactile.run.engine.events import words_of
from sentences.style import faults

FEW, MANY = 12, 400


def refusal(path: Path) -> str:
    """What opening and segmenting an image comes to: nothing, or a sentence that names the file."""
    network: Any = nn.Conv2d(1, 2, 3, padding=1).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes of what is odd, and zarr's own
        try:
            image = ex.open_image(path)
            ex.segment(image, network, tile=64, device="cpu")
        except (ValueError, OSError, ex.TileError) as error:
            return words_of(error)
    return ""


def try_mutants(name: str, folder: Path, count: int) -> None:
    base = folder / "sound" / name
    base.parent.mkdir()
    MAKERS[name](base)
    for done, path in mutants(base, folder, name, count):
        said = refusal(path)
        if said:
            assert name in said, (done, said)
            assert not [*faults(said.replace(str(folder), ""))], (done, said)


@pytest.mark.parametrize("name", MAKERS)
def test_damaged_images(name: str, tmp_path: Path) -> None:
    """Cut off, deleted, or other bytes and other values in it: nothing else than a sentence is raised."""
    try_mutants(name, tmp_path, FEW)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", MAKERS)
def test_many_damaged_images(name: str, tmp_path: Path) -> None:
    """The same, hundreds of times."""
    try_mutants(name, tmp_path, MANY)


@pytest.mark.parametrize("name", MAKERS)
def test_sound_images(name: str, tmp_path: Path) -> None:
    """Without damage, each of them is segmented."""
    MAKERS[name](tmp_path / name)
    assert refusal(tmp_path / name) == ""
