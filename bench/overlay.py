"""What the tiling overlay costs the interface: prints one row per number of tiles, times in milliseconds.

Run it with a screen, or with `xvfb-run -a -s "-screen 0 1280x1024x24" python bench/overlay.py`. The first
number of a cell is the call, which blocks the interface; the second is the redraw that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter

import numpy as np
from napari import Viewer
from qtpy.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.draw.overlay import Frame, TileStatus, TilingOverlay

SHAPE = (1600, 1800)
ZONES = {49: (240, 264), 600: (64, 75), 7200: (20, 20)}
REPEATS = 20


def main() -> None:
    """Measure every number of tiles in a window of its own, after one round that warms napari up."""
    table = Table(
        "tiles", "add", "other tile size", "start status", "one tile's status", "cursor to next tile"
    )
    measure(ZONES[49])
    for tiles, zone in ZONES.items():
        table.add_row(str(tiles), *measure(zone))
    Console(width=110).print(table)


def measure(zone: tuple[int, int]) -> list[str]:
    """Return the cells of one row."""
    viewer = Viewer(show=True)
    image = viewer.add_image(np.zeros(SHAPE, np.uint8))
    QApplication.processEvents()
    frame, overlay = Frame.of(image), TilingOverlay(viewer)
    tilings = [Tiling(SHAPE, (1, 1), size, (8, 8)) for size in (zone, (zone[0] + 1, zone[1]))]
    cells = [
        timed(lambda _: overlay.show(frame, tilings[0]), [0]),
        timed(lambda i: overlay.show(frame, tilings[i % 2]), range(1, 5)),
        timed(lambda _: overlay.start_status(), [0]),
        timed(lambda i: finish(overlay, i), range(REPEATS)),
        timed(lambda i: point(viewer, overlay, tilings[0], i), range(REPEATS)),
    ]
    viewer.close()
    return cells


def finish(overlay: TilingOverlay, index: int) -> None:
    """Change one tile's status and draw it at once, where the overlay would wait for more."""
    overlay.set_status([index], TileStatus.DONE)
    overlay._update_status()


def point(viewer: Viewer, overlay: TilingOverlay, tiling: Tiling, step: int) -> None:
    """Move the cursor to another tile of the middle row, and follow it at once."""
    rows, columns = tiling.grid
    zone = tiling.tile(rows // 2 * columns + step % columns).zone
    viewer.mouse_over_canvas = True
    viewer.cursor.position = tuple(interval.start for interval in zone)
    overlay._follow()


def timed(call: Callable[[int], None], arguments: Iterable[int]) -> str:
    """Return the median time of the calls, and of drawing what they changed."""
    times = []
    for argument in arguments:
        start = perf_counter()
        call(argument)
        called = perf_counter()
        QApplication.processEvents()
        times.append((called - start, perf_counter() - called))
    call_ms, draw_ms = np.median(times, axis=0) * 1000
    return f"{call_ms:.1f} + {draw_ms:.0f}"


if __name__ == "__main__":
    main()
