"""Put the dock as different people see it onto one sheet: letters of 9 to 18 pt, both themes, a fine screen.

Without a display: xvfb-run -a -s "-screen 0 2100x1500x24" .venv/bin/python scripts/looks.py sheet.png
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

WINDOW = 1000, 700
STATES = ("opened", "sections", "details", "report", "objects", "shortcuts")
LOOKS = [*product((9, 14, 18), ("dark", "light"), (1,)), (9, "dark", 2), (14, "light", 2)]


def main() -> None:
    """Make a picture of each state in each look, by a process of its own, and put them together."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (size, theme, factor) in enumerate(LOOKS):
            environment = os.environ | {"QT_SCALE_FACTOR": str(factor)}
            place = Path(folder, str(number))
            command = [sys.executable, __file__, "--look", str(size), theme, str(place)]
            subprocess.run(command, env=environment, check=True)
            print(f"{size} pt, {theme}, scale {factor}", flush=True)
        sheet(Path(folder)).save(sys.argv[1])


def sheet(folder: Path) -> Image.Image:
    """Return all pictures, a row for each look."""
    width, height = WINDOW
    whole = Image.new("RGB", (width * len(STATES), (height + 20) * len(LOOKS)), "#808080")
    draw = ImageDraw.Draw(whole)
    for row, (size, theme, factor) in enumerate(LOOKS):
        top = row * (height + 20)
        draw.text((4, top + 4), f"{size} pt, {theme}, QT_SCALE_FACTOR={factor}", fill="white")
        for column, state in enumerate(STATES):
            one = Image.open(folder / str(row) / f"{state}.png").convert("RGB")
            one.thumbnail(WINDOW)
            whole.paste(one, (column * width, top + 20))
    return whole


def look(size: int, theme: str, folder: Path) -> None:
    """Save a picture of each state."""
    from napari.settings import get_settings
    from shots.camera import wait
    from shots.tutorial import scroll_down

    from napari_exactile.widget.demo import open_sample

    appearance = get_settings().appearance
    appearance.font_size, appearance.theme = size, theme
    folder.mkdir(parents=True)
    viewer, dock = open_sample("colonies_512")
    viewer.window._qt_window.resize(*WINDOW)
    dock.fields.automatic.value, dock.fields.tile.value = False, 272
    wait(lambda: dock.plan is not None)
    dock.fields.region.native.setFocus()
    picture(viewer.window._qt_window, folder / "opened.png")
    dock.start()
    wait(lambda: not dock.running)
    fields = dock.results.fields
    for header in (
        dock.fields.advanced,
        dock.preview.fields.header,
        fields.objects_header,
        fields.agreement_header,
    ):
        header.setChecked(True)
    fields.objects.find.native.click()
    wait(lambda: dock.results.objects.objects is not None)
    fields.objects.find.native.setFocus()
    scroll_down(dock)
    picture(viewer.window._qt_window, folder / "sections.png")
    dock.details.open()
    wait(dock.details.copy.isEnabled)
    picture(dock.details, folder / "details.png")
    dock.result.report()
    wait(dock.result.dialog.isVisible)
    picture(dock.result.dialog, folder / "report.png")
    dock.results.objects.dialog.show()
    picture(dock.results.objects.dialog, folder / "objects.png")
    dock.help.shortcuts.open_beside()
    picture(dock.help.shortcuts, folder / "shortcuts.png")


def picture(window: Any, path: Path) -> None:
    """Save what a window shows once it has come to rest."""
    from shots.camera import work

    work(1.5)
    window.grab().save(str(path))
    if window.isModal() or window.parent() is not None:
        window.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--look"]:
        look(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
        sys.stdout.flush()
        os._exit(0)  # without asking whether to close
    main()
