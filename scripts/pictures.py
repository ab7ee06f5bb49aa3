"""Make the pictures of the pages and the README with today's program: `make pictures`.

python scripts/pictures.py                     # all but the long ones: window theory training script
python scripts/pictures.py window              # the dock in a real window, with docs/images/words
python scripts/pictures.py experiments         # the curves of docs/reproduction.md: an hour
python scripts/pictures.py --words FOLDER      # no pictures: what can be read in them, with small images

A picture that shows the same as the one that is there is left as it is. Without a display, use xvfb-run as
the Makefile does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shots.camera import Looker

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
WORDS = IMAGES / "words"
EXPERIMENTS = ("table1", "table2", "table3", "fig7", "densenet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=" ".join(KINDS))
    parser.add_argument("--words", type=Path, metavar="FOLDER", help="write what can be read in small scenes")
    given = parser.parse_args()
    if given.words:
        words(given.words)
        return
    for kind in given.kinds or [kind for kind in KINDS if kind != "experiments"]:
        if kind not in KINDS:
            parser.error(f"there are no pictures called {kind!r}; there are {', '.join(KINDS)}")
        KINDS[kind]()


@contextmanager
def no_settings() -> Iterator[None]:
    """Let no setting of this person's be seen, and keep none."""
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder, "napari.yaml"))
        from qtpy.QtCore import QSettings

        from napari_exactile.widget.form import remembered

        store = QSettings(str(Path(folder, "dock.ini")), QSettings.Format.IniFormat)
        remembered._store = lambda: store
        yield


def window() -> None:
    """Take the pictures of the window."""
    with no_settings():
        from shots.camera import Camera

        scenes(Camera(IMAGES, WORDS))


def words(folder: Path) -> None:
    """Go through the scenes with small images, and write their words."""
    with no_settings():
        from shots.camera import Reader

        small_scenes(Reader(folder))


def scenes(looker: Looker) -> None:
    """Go through everything that is looked at."""
    from shots import gallery, tutorial

    gallery.stack(looker)
    gallery.own_model(looker)
    gallery.slide(looker)
    tutorial.tutorial(looker)


def small_scenes(looker: Looker) -> None:
    """Go through the same with small images: they look alike, but for numbers."""
    from shots import gallery, tutorial

    gallery.stack(looker)
    gallery.own_model(looker)
    gallery.slide(looker, parts=8, part=256, begun=2)
    tutorial.tutorial(looker, tutorial.SMALL)


def theory() -> None:
    import draw_theory

    draw_theory.main()


def training() -> None:
    import train_colonies

    train_colonies.draw_again()


def script() -> None:
    from shots.figures import draw_script

    draw_script(IMAGES / "script.png")


def experiments() -> None:
    for name in EXPERIMENTS:
        plot = str(IMAGES / "reproduction" / f"{name}.png")
        exactile = [sys.executable, "-c", "from napari_exactile.cli import main; main()"]
        subprocess.run([*exactile, "reproduce", name, "--plot", plot, "--overwrite"], check=True)


KINDS: dict[str, Callable[[], None]] = {
    "window": window, "theory": theory, "training": training, "script": script, "experiments": experiments,
}  # fmt: skip


if __name__ == "__main__":
    main()
