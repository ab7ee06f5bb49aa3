"""The dock's settings, kept from one session to the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QSettings


def _store() -> QSettings:
    return QSettings("napari-exactile", "dock")


def remember(fields: Mapping[str, ValueWidget[Any]]) -> None:
    """Write the fields' values."""
    store = _store()
    for name, field in fields.items():
        store.setValue(name, field.value)


def recall(fields: Mapping[str, ValueWidget[Any]]) -> None:
    """Set the fields to what was written; what no longer fits (a device that is gone) is left as it is."""
    store = _store()
    # All are read before the first is set: setting a field remembers all of them.
    stored = {
        name: store.value(name, type=type(field.value))
        for name, field in fields.items()
        if store.contains(name)
    }
    for name, value in stored.items():
        with suppress(TypeError, ValueError):
            fields[name].value = value


def keep(key: str, value: Any) -> None:
    """Write lists, dictionaries, numbers and words under a name of their own."""
    _store().setValue(key, json.dumps(value))


def kept(key: str) -> Any:
    """Return what was kept under this name; None where there is nothing that can be read."""
    with suppress(TypeError, ValueError):
        return json.loads(_store().value(key, "null", type=str))
    return None


def forget(key: str) -> None:
    """Keep nothing under this name any more."""
    _store().remove(key)
