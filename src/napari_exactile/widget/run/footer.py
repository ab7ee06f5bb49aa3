"""The part of the dock that does not scroll: why Run is disabled, the buttons, progress, result, Save."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_exactile.widget.form.form import Note
from napari_exactile.widget.run.status import State, Status
from napari_exactile.widget.run.words import progress_words, rate_words
from napari_exactile.widget.work.long_work import WorkButtons

# What the bar counts to: more than it has pixels.
FINE = 10_000


class Footer(QWidget):
    """Buttons and words about the run. It knows how to show things, not what they mean."""

    def __init__(self) -> None:
        super().__init__()
        self.reason, self.rate, self.result = Note(), Note(), Note()
        self.run = _button("Run", "Segment the image (Ctrl+Return)")
        self.pause = _button("Pause", "Finish the step at work and wait until Resume")
        self.cancel = _button("Cancel", "Stop; what is done is kept, and Run continues it")
        self.save = _button("Save...", "Write the labels as OME-TIFF or OME-Zarr, with levels")
        self.saving = WorkButtons()
        self.report = _button("Report...", "How these labels came about, and how exact they are")
        self.copy = _button("Editable copy of this view", "Add a layer to paint on, over what is in sight")
        self.progress = QProgressBar()
        self.progress.setTextVisible(True)
        self.progress.setAccessibleName("Progress of the run")
        self._arrange()
        self.idle("")

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a narrow hint: the words wrap."""
        return QSize(300, super().sizeHint().height())

    def idle(self, reason: str, run: str = "Run") -> None:
        """No run: Run can be pressed unless there is a `reason` against it."""
        self.run.setText(run)
        self.run.setEnabled(not reason)
        # Beside "Run approximately" in large letters there is no room for it.
        self.pause.setVisible(False)
        self.pause.setEnabled(False)
        self.pause.setText("Pause")
        self.cancel.setEnabled(False)
        self.progress.setVisible(False)
        self.reason.say(reason)
        self.rate.say("")

    def show_status(self, status: Status) -> None:
        """Show a run that goes on: what it does, how far it is, and how fast."""
        share = status.share
        self.run.setText("Run")
        self.run.setEnabled(False)
        self.pause.setText("Resume" if status.state is State.PAUSED else "Pause")
        self.pause.setVisible(True)
        self.pause.setEnabled(True)
        self.cancel.setEnabled(True)
        self.progress.setVisible(True)
        # A progress bar paints itself at once when its value changes; let it wait for the next frame.
        self.progress.setUpdatesEnabled(False)
        self.progress.setFormat(progress_words(status))
        most = 0 if share is None else FINE  # without a number the bar only says that it goes on
        if self.progress.maximum() != most:
            self.progress.setRange(0, most)
        self.progress.setValue(round(FINE * (share or 0.0)))
        self.progress.setUpdatesEnabled(True)
        self.reason.say("")
        self.rate.say(rate_words(status))

    def show_result(self, words: str, can_save: bool, can_copy: bool = False) -> None:
        """Show what came out, and offer what can be done with it."""
        self.result.say(words)
        self.save.setText("Save...")
        self.save.setVisible(can_save)
        self.report.setVisible(can_save)
        self.copy.setVisible(can_save and can_copy)

    def show_words(self, words: str) -> None:
        """Say something about the result that stays as it is."""
        self.result.say(words)

    def show_saving(self, words: str) -> None:
        """Show how much of a file is written, and offer to stop."""
        self.result.say(words)
        self.save.setText("Stop saving")

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(4)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run, stretch=2)
        buttons.addWidget(self.pause, stretch=1)
        buttons.addWidget(self.cancel, stretch=1)
        layout.addWidget(self.reason)
        layout.addLayout(buttons)
        for widget in (self.progress, self.rate, self.result):
            layout.addWidget(widget)
        results = QHBoxLayout()
        results.addWidget(self.save)
        results.addWidget(self.report)
        layout.addLayout(results)
        layout.addWidget(self.saving.pause)  # beside both there is no room for it in large letters
        layout.addWidget(self.copy)
        self.show_result("", can_save=False)


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button
