"""Who looks at a scene: a camera that saves pictures and their words, or a reader of words alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from qtpy.QtWidgets import QApplication, QWidget

from shots.keeping import keep
from shots.words import words_of

WIDTH, STILL = 1200, 900
# Shares of the window that the menu and the status line take.
BARS = 0.024, 0.024
SETTLE_SECONDS, READ_SECONDS = 1.5, 0.6


class Looker(Protocol):
    """What a scene needs: somebody who looks at it when it has come so far."""

    def look(self, name: str, viewer: Any, *parts: QWidget, crop: float = 0) -> None:
        """Look at the window once; `parts` are its docks that count, `crop` cuts off panels at the left."""


class Reader:
    """Writes the words of each scene into a folder, and takes no picture."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def look(self, name: str, viewer: Any, *parts: QWidget, crop: float = 0) -> None:
        """Note the words, once what is drawn late is there."""
        work(READ_SECONDS)
        (self._folder / f"{name}.txt").write_text(words_of(viewer, *parts), encoding="utf-8")


class Camera:
    """Saves the window as `folder`/NAME.png with few colours, and its words as NAME.txt in `words`."""

    def __init__(self, folder: Path, words: Path) -> None:
        self._folder, self._words = folder, words
        for place in (folder, words):
            place.mkdir(parents=True, exist_ok=True)

    def look(self, name: str, viewer: Any, *parts: QWidget, crop: float = 0) -> None:
        """Take the picture; the one that is there stays where it shows the same."""
        work(SETTLE_SECONDS)  # napari draws the last labels
        full = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
        small = scaled(cropped(full, crop), STILL if crop else WIDTH)
        words, noted = words_of(viewer, *parts), self._words / f"{name}.txt"
        known = noted.exists() and noted.read_text(encoding="utf-8") == words
        keep(small.quantize(256, kmeans=2), self._folder / f"{name}.png", anew=not known)
        noted.write_text(words, encoding="utf-8")


def cropped(picture: Image.Image, left: float) -> Image.Image:
    """Return the picture without a share at the left, the menu above, and the status line below."""
    if not left:
        return picture
    above, below = round(BARS[0] * picture.height), round(BARS[1] * picture.height)
    return picture.crop((round(left * picture.width), above, picture.width, picture.height - below))


def scaled(picture: Image.Image, width: int) -> Image.Image:
    """Return the picture in this width."""
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


def wait(until: Callable[[], bool], seconds: float = 180) -> None:
    """Let the window work until something holds."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("the dock did not come so far")
        QApplication.processEvents()
        time.sleep(0.005)


def close(viewer: Any) -> None:
    """Close the window, once it has drawn what it was about to."""
    work(READ_SECONDS)
    viewer.close()


def work(seconds: float) -> None:
    """Let the window work for a while."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end, seconds + 1)
