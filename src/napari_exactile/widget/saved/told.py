"""What is chosen in the dock, in plain values; all of it is found out in a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_exactile.widget.choose.choice import Choice
from napari_exactile.widget.draw.classes import Classes
from napari_exactile.widget.draw.planes import data_of

if TYPE_CHECKING:
    from napari_exactile.images.about.opened import OpenedImage
    from napari_exactile.run.task.chosen import SettingsFile
    from napari_exactile.run.task.origin import ImageOrigin


@dataclass(frozen=True, slots=True)
class Told:
    """A choice with what counts as an object of its labels, and whether somebody said where channels lie."""

    choice: Choice
    connectivity: int | None
    min_size: int | None
    says_axes: bool = False

    def chosen(self) -> SettingsFile:
        """Return what a settings file says; the files of the model are read."""
        import msgspec

        from napari_exactile.run.task.chosen_by import chosen_by

        found = chosen_by(self.choice.task)
        around = msgspec.structs.replace(found.around, connectivity=self.connectivity, min_size=self.min_size)
        settings = replace(found.settings, stream=False)
        return replace(found, settings=settings, model=self._model(found), around=around)

    def for_many(self, together: bool, objects: bool) -> SettingsFile:
        """Return what is done to many images: to all of each, as the file of each says where its axes are."""
        import msgspec

        found = self.chosen()
        axes = found.around.axes if self.says_axes else None
        around = msgspec.structs.replace(
            found.around, axes=axes, plane=None, series=None, allow_missing=False, count_objects=objects
        )
        settings = replace(found.settings, region=None, together=together)
        return replace(found, settings=settings, around=around)

    def _model(self, found: SettingsFile) -> Any:
        """Return the model with the names and colours that a person has given its classes."""
        now, own = (
            self.choice.classes,
            Classes.of(self.choice.task.model.card, len(self.choice.classes.names)),
        )
        looks = {"classes": now.names, "colors": now.colors, "background": now.background}
        given = {name: value for name, value in looks.items() if value is not None} if now != own else {}
        return found.model and replace(found.model, facts={**found.model.facts, **given})

    def command(self) -> str:
        """Return the line that does the same; raises ValueError where no line can."""
        from napari_exactile.run.words.commands import as_command

        chosen, image = self._exactly()
        plain = replace(
            chosen, model=chosen.model and replace(chosen.model, facts=self.choice.task.model.facts)
        )
        return as_command(plain, image, self._store(image))

    def script(self) -> str:
        """Return the script that does the same; raises ValueError where none can."""
        from napari_exactile.run.words.commands import as_script

        chosen, image = self._exactly()
        return as_script(chosen, image, self.choice.output)

    def _store(self, image: Path) -> Path | None:
        """Return the store that labels go to; None for the command's usual file."""
        numbers = self.choice.task.settings.probabilities
        if self.choice.output is None and numbers:
            return image.with_name(f"{image.stem}_labels.ome.zarr")
        return self.choice.output

    def _exactly(self) -> tuple[SettingsFile, Path]:
        """Return all that must be said for the same labels of the same pixels, and the image's file."""
        import msgspec

        from napari_exactile.run.task.origin import origin_of

        chosen, origin = self.chosen(), origin_of(self.choice.task).image
        path, opened = self._opened(origin)
        sizes, known = self.choice.task.planes.pixel_size, opened.placed(self.choice.task.planes.axes)
        around = msgspec.structs.replace(
            chosen.around,
            axes=None if _same_axes(opened.axes, origin.axes or "") else origin.axes,
            pixel_size=None if sizes in {None, known.pixel_size} else sizes,
            connectivity=None, min_size=None,
        )  # fmt: skip
        settings = replace(chosen.settings, stream=True)
        return replace(chosen, settings=settings, around=around), path

    def _opened(self, origin: ImageOrigin) -> tuple[Path, OpenedImage]:
        """Return the file of the image, and what it holds; raises ValueError where others cannot open it."""
        from msgspec import UNSET

        from napari_exactile.images.read.open import open_image

        layer, part = self.choice.plane.layer, origin.arrays[0] if len(origin.arrays) == 1 else None
        path = (part and part.path) or layer.source.path
        if part is None or path is None:
            raise ValueError(f"'{layer.name}' is not in one file: save it, and open it from there")
        series = None if part.series is UNSET else part.series
        image = open_image(path, series=series, allow_missing=part.allow_missing is True)
        if tuple(image.array.shape) != tuple(data_of(layer).shape):
            raise ValueError(
                f"'{layer.name}' is not all that {path} holds: save it as a file of its own, and open that"
            )
        return Path(path), image


def _same_axes(own: str | None, wanted: str) -> bool:
    """Tell whether a file says of the channels what is meant; a stack's letters do not matter."""
    return own is not None and len(own) == len(wanted) and own.find("c") == wanted.find("c")
