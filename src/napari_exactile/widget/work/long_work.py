"""Work in the background that says how far it is and how long the rest takes, and that can be paused."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPushButton

from napari_exactile.widget.form.activity import LOOK_MS, Activity
from napari_exactile.widget.form.background import Going, Latest, Steps
from napari_exactile.widget.form.pace import Pace, left_words

SHOW_MS = 250


class WorkButtons:
    """The button that pauses some work, and one that cancels it, where no other does.

    They are to be seen while it goes on, from its second second: what takes less needs neither.
    """

    def __init__(self, cancel: bool = False) -> None:
        self.pause = _button("Pause", "Let this wait until Resume")
        self.cancel = _button("Cancel", "Stop this; what is shown stays") if cancel else None
        self.all = [button for button in (self.pause, self.cancel) if button is not None]
        self.show(False)

    def show(self, shown: bool, paused: bool = False) -> None:
        """Let them be seen or not, and offer to pause or to resume."""
        self.pause.setText("Resume" if paused else "Pause")
        for button in self.all:
            button.setVisible(shown)


class LongWork:
    """One work at a time in the background: told in words, shown in the activity dock, paused and cancelled.

    `say` gets the words: what goes on, how much of it is done, and how long the rest takes, which stands
    still in pauses. All methods belong to the GUI thread.
    """

    def __init__(self, name: str, say: Callable[[str], object], buttons: WorkButtons) -> None:
        self._name, self._say, self._buttons = name, say, buttons
        self._latest, self._activity = Latest(), Activity(name)
        self._going: Going | None = None
        self._words, self._pace, self._began = name, Pace.begun(0.0, 0.0), 0.0
        self._timer = QTimer()
        self._timer.setInterval(SHOW_MS)
        self._timer.timeout.connect(self._look)
        buttons.pause.clicked.connect(lambda _checked: self.pause())
        if buttons.cancel is not None:
            buttons.cancel.clicked.connect(lambda _checked: self.cancel())

    @property
    def going(self) -> bool:
        """Whether it goes on, or waits in a pause."""
        return self._going is not None

    @property
    def paused(self) -> bool:
        """Whether it waits."""
        return self._going is not None and self._going.control.paused

    def begin(
        self, steps: Steps, step: Callable[[Any], None], failed: Callable[[Exception], None],
        ended: Callable[[], None] = lambda: None, words: str = "",
    ) -> None:  # fmt: skip
        """Iterate in a thread, as `Latest.follow` does; what went on before is stopped.

        `words` are what is said at first, where that is not the name.
        """
        self.stop()
        self._words, self._began = self._name, time.perf_counter()
        self._pace = Pace.begun(0.0, self._began)
        self._say(words or self._told())

        def over() -> None:
            self.stop()
            ended()

        def fail(error: Exception) -> None:
            self.stop()
            failed(error)

        self._going = self._latest.follow(steps, step, fail, over)
        self._timer.start()

    def pause(self) -> None:
        """Let it wait, or go on where it waits."""
        if self._going is not None:
            control = self._going.control
            (control.resume if control.paused else control.pause)()
            self.tell()

    def tell(self) -> None:
        """Say how far it is, at once: what is said beside it has changed."""
        if self._going is not None:
            self._look()
            self._say(self._told())

    def cancel(self) -> None:
        """Ask it to stop: `ended` is called when it has, unless it was at its end before."""
        if self._going is not None:
            self._going.control.cancel()

    def stop(self) -> None:
        """Stop it, and deliver nothing any more."""
        self.forget()
        self._buttons.show(False)

    def forget(self) -> None:
        """Stop it where the buttons may be gone."""
        self._latest.forget()
        self._going = None
        self._activity.end()
        with suppress(RuntimeError):  # where Qt itself is going away, the timer may be gone before
            self._timer.stop()

    def _look(self) -> None:
        """Say how far it is, and let it be paused where it takes long."""
        if self._going is None:
            return
        if (far := self._going.far) is not None:
            fresh = far.words != self._words
            self._words = far.words
            self._pace = Pace.begun(far.share, far.at) if fresh else self._pace.at(far.share, far.at)
            self._say(self._told())
        self._activity.show(self._told().removeprefix(f"{self._name}: "), self._pace.share)
        long = 1000 * (time.perf_counter() - self._began) >= LOOK_MS
        self._buttons.show(long or self.paused, self.paused)

    def _told(self) -> str:
        paused, share = "paused" if self.paused else "", f"{100 * self._pace.share:.0f} %"
        return f"{self._words}: {' - '.join(filter(None, [paused, share, left_words(self._pace)]))}"


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setAutoDefault(False)
    return button
