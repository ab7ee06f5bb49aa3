"""What a person chose: the same settings from the dock, the command line and scripts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any, Literal, Self, get_args

from napari_exactile.geometry.interval import Box
from napari_exactile.images.normalize.parse import steps_of
from napari_exactile.images.normalize.steps import Step
from napari_exactile.run.file.plain import plain
from napari_exactile.run.file.records import Content, in_file
from napari_exactile.run.file.text import write_text
from napari_exactile.run.plan import given

MethodName = Literal["auto", "trimmed", "skewed", "whole-tile", "approximate"]
Device = Literal["auto", "cpu", "cuda"]
NumberType = Literal["float32", "float16"]
Padding = Literal["auto", "always"]
OutputKind = Literal["auto", "classes", "logits", "probabilities", "values"]
NormalizationChoice = str | tuple[Step, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """Settings of one run; "auto" leaves the choice to the program.

    `tile` and `radius` are in pixels, `region` is the box to segment (an Interval, a slice or a pair of start
    and stop for each axis; None: the whole image), `memory_limit`
    is in bytes and bounds automatic tiles, `scratch_limit` what networks that take several passes over the
    image keep in between, in memory and temporary files, or in the store that labels go to.

    `normalization` is "model" (what the model asks for), "z-score", "min-max", "percentile" (1 to 99.8),
    "none", a text such as "clip 0 4095; joint z-score" or "fixed 120 35" (see `parse_steps`), or a tuple of
    steps such as (Clip(0, 4095), ZScore()). Pixels that equal `ignore` in all channels, such as 0 around the
    tissue of a slide, are left out of what is measured; they are normalised and segmented like the others.
    With `ignore` NaN, pixels that are NaN in some channel are left out, enter the network as the mean that
    was measured of their channel, and are labelled background; without it, such images are refused.

    `probabilities` keeps these beside the labels: True as float32, "float16" in half the space with three
    digits. It says the type of values, too, for networks that give such; they are kept in any case.

    `output_kind` says what the network's output is: "classes", of which the best channel counts, yes or no
    for each channel from "logits" or from "probabilities", or "values"; "auto" is what the model says, or its
    last layers. `threshold` replaces the model's where its output says yes or no; `together` measures all
    planes of a stack as one image instead of each by itself.

    `padding` "auto" takes the image as it is, and reflects it at the bottom or right up to multiples of F
    only along axes where the network, or its package, does not take its size; "always" does so along all
    axes, as the papers do.

    The method "trimmed" computes zone by zone just what each depends on, "skewed" walks bands of zones along
    the longest axis, so that nothing is computed twice in a band, and "whole-tile" sends zones with the
    radius around them through the unchanged network; "auto" is one of the first two, whichever computes less
    in the memory that there is. With `stream`, labels come soon wherever they are wanted first: bands of
    "skewed" are short, for at most a tenth more arithmetic. The method "approximate"
    is for models that cannot be exact. It needs a radius of one's own; `factor` is what sizes of its tiles
    are multiples of. Raises ValueError for values that no run can have.

    >>> import napari_exactile as ex
    >>> ex.Settings(tile=512, normalization=(ex.Percentiles(1, 99), ex.Clip(0, 1))).normalization
    (Percentiles(low=1, high=99, joint=False, eps=0.0), Clip(low=0, high=1))
    """

    tile: int | Literal["auto"] = "auto"
    radius: int | Literal["auto"] = "auto"
    method: MethodName = "auto"
    region: Box | None = None
    normalization: NormalizationChoice = "model"
    probabilities: bool | NumberType = False
    device: Device = "auto"
    memory_limit: int | None = None
    scratch_limit: int | None = None
    factor: int | Literal["auto"] = "auto"
    threshold: float | None = None
    together: bool = False
    ignore: float | None = None
    output_kind: OutputKind = "auto"
    padding: Padding = "auto"
    stream: bool = False

    def __post_init__(self) -> None:
        self._take("tile", given.pixels("a tile", self.tile))
        self._take("radius", given.pixels("a radius", self.radius))
        self._take("factor", given.pixels("the factor", self.factor))
        self._take("region", given.box(self.region))
        self._take("memory_limit", given.amount("the memory limit", self.memory_limit))
        self._take("scratch_limit", given.amount("the scratch limit", self.scratch_limit))
        self._take("threshold", given.number("a threshold", self.threshold, " between 0 and 1"))
        self._take("ignore", given.number("the value to ignore", self.ignore, " or nan"))
        if self.tile != "auto" and self.tile < 1:
            raise ValueError(f"a tile needs at least 1 px, not {self.tile}")
        if self.radius != "auto" and self.radius < 0:
            raise ValueError(f"a radius is at least 0 px, not {self.radius}")
        given.flag("together", self.together)
        given.flag("stream", self.stream)
        given.choice("method", self.method, get_args(MethodName))
        if not isinstance(self.probabilities, bool):
            given.choice("the type of probabilities", self.probabilities, get_args(NumberType))
        self._check_approximate()
        if self.normalization != "model":
            steps_of(self.normalization)
        if str(self.device) == "mps":
            raise ValueError(
                "Apple's GPU (mps) is not offered: its arithmetic has not been shown to be exact. Use the CPU"
            )
        given.choice("device", self.device, get_args(Device))
        given.choice("padding", self.padding, get_args(Padding))
        given.choice("the kind of output", self.output_kind, get_args(OutputKind))
        if self.memory_limit is not None and self.memory_limit < 1:
            raise ValueError(f"the memory limit is at least 1 byte, not {self.memory_limit}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"a threshold lies between 0 and 1, not at {self.threshold}")
        if self.ignore is not None and isnan(self.ignore):
            self._take("ignore", nan)  # the one that equals itself in comparisons of settings
        elif self.ignore is not None and not isfinite(self.ignore):
            raise ValueError(f"the value to ignore is a number or nan, not {self.ignore}")
        if self.scratch_limit is not None and self.scratch_limit < 0:
            raise ValueError(f"the scratch limit is at least 0 bytes, not {self.scratch_limit}")

    def __eq__(self, other: object) -> bool:
        # As tuples are compared: a NaN is itself there, which it is not where Python 3.13 compares fields.
        return self._values == other._values if isinstance(other, Settings) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the settings of a settings file; what it says of model and image is checked, and left out.

        See `SettingsFile` for these. Raises ValueError, in a sentence that names the file, for what cannot be
        read, is no TOML, is misspelt, or has a value that no run can have.

        >>> import tempfile
        >>> from pathlib import Path
        >>> import napari_exactile as ex
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "exactile.toml")
        ...     ex.Settings(tile=512, ignore=0).save(path)
        ...     ex.Settings.load(path) == ex.Settings(tile=512, ignore=0)
        True
        """
        path = given.path("a settings file", path)
        content = Content.of_file(path, cls.names())
        with in_file(path):
            return cls(**content.settings)

    def save(self, path: str | Path) -> None:
        """Write a settings file with all that is not as it is anyway; raises ValueError where it cannot be.

        >>> import tempfile
        >>> from pathlib import Path
        >>> import napari_exactile as ex
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "exactile.toml")
        ...     ex.Settings(tile=512, normalization="z-score").save(path)
        ...     print(*path.read_text().splitlines()[2:], sep="; ")
        tile = 512; normalization = "z-score"
        """
        write_text(given.path("a settings file", path), self.as_plain())

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all fields, which are keys of settings files."""
        return tuple(field.name for field in fields(cls))

    def as_plain(self) -> dict[str, Any]:
        """Return what is not as it is anyway, as TOML can hold it."""
        usual = type(self)()
        names = [name for name in self.names() if getattr(self, name) != getattr(usual, name)]
        return plain({name: getattr(self, name) for name in names})

    @property
    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def _take(self, name: str, value: Any) -> None:
        """Let a field have the value that was meant, while it is made."""
        object.__setattr__(self, name, value)

    @property
    def number_type(self) -> NumberType:
        """The type that probabilities or values are kept in."""
        return "float32" if isinstance(self.probabilities, bool) else self.probabilities

    def _check_approximate(self) -> None:
        if self.method == "approximate" and self.radius == "auto":
            raise ValueError('the method "approximate" needs a radius of your own in pixels, such as 64')
        if self.factor != "auto" and self.method != "approximate":
            raise ValueError(
                'a factor is for the method "approximate": leave it out, as it follows from the model'
            )
        if self.factor != "auto" and self.factor < 1:
            raise ValueError(f"tiles are multiples of at least 1 px, not {self.factor}")
