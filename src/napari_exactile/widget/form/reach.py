"""What people need who use no mouse, or do not see the screen: a focus that is seen, and names of fields."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QGroupBox,
    QLineEdit,
    QWidget,
)

# napari marks nothing that has the focus. A border without a colour has that of the letters, which stands out
# in both themes; where it comes, the padding becomes less, so that nothing moves.
FOCUS = """
QPushButton:focus { border: 2px solid; padding: 2px; }
QComboBox:focus { border: 2px solid; padding: 1px 8px 1px 6px; }
QAbstractSpinBox:focus { border: 2px solid; padding: 0px 8px; }
QLineEdit:focus { border: 2px solid; padding: 0px; }
QAbstractSpinBox QLineEdit:focus { border: none; }
QCheckBox::indicator:focus { border: 2px solid; padding: 0px; width: 14px; height: 14px; }
QRadioButton:focus { text-decoration: underline; }
QSlider::handle:horizontal:focus { border: 2px solid; width: 12px; margin-top: -5px; margin-bottom: -5px; }
QTextBrowser:focus, QPlainTextEdit:focus, QAbstractItemView:focus { border: 2px solid; }
QTabBar::tab:selected:focus { border-bottom: 2px solid; }
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
