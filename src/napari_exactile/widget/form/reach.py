"""What people need who use no mouse, or do not see the screen: a focus that is seen, and names of fields."""

from __future__ import annotations

from typing import Any

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QGroupBox,
    QLineEdit,
    QWidget,
)

# napari marks nothing that has the focus. Where a border comes, there is less padding, so that nothing moves.
FOCUS = """
QPushButton:focus { border: 2px solid INK; padding: 2px; }
QPushButton[heading="true"] { text-align: left; font-weight: bold; padding: 4px 0px; }
QPushButton[heading="true"]:!hover { background: none; }
QPushButton[heading="true"]:focus { padding: 2px 0px; }
QComboBox:focus { border: 2px solid INK; padding: 1px 8px 1px 6px; }
QAbstractSpinBox:focus { border: 2px solid INK; padding: 0px 8px; }
QLineEdit:focus { border: 2px solid INK; padding: 0px; }
QAbstractSpinBox QLineEdit:focus { border: none; }
QCheckBox::indicator:focus { border: 2px solid INK; padding: 0px; width: 14px; height: 14px; }
QRadioButton { border: 2px solid transparent; }
QRadioButton:focus { border: 2px solid INK; }
QSlider::handle:horizontal:focus { border: 2px solid INK; width: 12px; }
QTextBrowser:focus, QPlainTextEdit:focus, QAbstractItemView:focus { border: 2px solid INK; }
QTabBar::tab:selected:focus { border-bottom: 2px solid INK; }
"""
SILENT = QComboBox | QAbstractSpinBox | QAbstractSlider | QLineEdit | QGroupBox


def call(field: QWidget, name: str) -> QWidget:
    """Tell screen readers what a field is called that says nothing itself; return the field.

    Buttons say what stands on them, unless that is no word.
    """
    parts = [field, *field.findChildren(QWidget)]
    for part in parts:
        is_mute_button = isinstance(part, QAbstractButton) and not any(map(str.isalpha, part.text()))
        if (isinstance(part, SILENT) or is_mute_button) and not part.accessibleName():
            part.setAccessibleName(part.toolTip() if is_mute_button and part.toolTip() else name)
    return field


def show_focus(dock: QWidget) -> None:
    """Mark what has the focus, in a dock and the windows that belong to it, in the colour of the letters."""
    appearance = get_settings().appearance

    def restyle(_event: Any = None) -> None:
        dock.setStyleSheet(FOCUS.replace("INK", get_theme(appearance.theme).text.as_hex()))

    restyle()
    appearance.events.theme.connect(restyle)
    dock.destroyed.connect(lambda: appearance.events.theme.disconnect(restyle))
