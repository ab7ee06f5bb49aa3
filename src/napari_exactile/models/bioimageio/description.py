"""Models of bioimage.io: from a package to a network and its card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from napari_exactile.models.bioimageio.package import Package, opened
from napari_exactile.models.bioimageio.steps import (
    Meaning,
    Range,
    Tensor,
    check_modes,
    postprocessing,
    preprocessing,
)
from napari_exactile.models.bioimageio.unused import notes_of_package
from napari_exactile.models.bioimageio.weights import load_weights
from napari_exactile.models.card import ModelCard
from napari_exactile.models.files.archive import ModelFileError

_MICROMETRES = {"micrometer": 1.0, "nanometer": 1e-3, "angstrom": 1e-4, "millimeter": 1e3, "centimeter": 1e4}
_INVENTED = re.compile(r"channel\d*")  # what bioimageio.spec calls channels that have no names


def load_package(
    what: str | Path, *, trust_code: bool = False, output: int | str | None = None, **facts: Any
) -> tuple[ModelCard, nn.Module]:
    """Return the card and the network of a package: a folder, a description, a zip file or an id.

    `output` is the id or the position of the output to segment by (None: the first), `facts` are fields of
    the card that overrule the description. The network's own code is imported with `trust_code` only.

    Raises NeedsConsentError where there is such code, and ModelFileError for a package that is damaged, has
    no weights for PyTorch or asks for what cannot be done exactly; it names what.
    """
    with opened(what) as package:
        card, network = card_of(package, output), load_weights(package, trust_code)
        return replace(card, **({"notes": notes_of_package(package)} | facts)), network


def card_of(package: Package, output: int | str | None = None) -> ModelCard:
    """Return what a package says of its model; raises ModelFileError for what cannot be honoured."""
    model = package.description
    source, target = _only_input(model), _position(model, output)
    given, result = tensor_of(source), tensor_of(model.outputs[target])
    meaning = meaning_of(package, target)
    check_modes(_written(package, "inputs", 0).get("preprocessing"))
    minimum, step = _sizes(source)
    return ModelCard(
        name=str(model.id or "") or re.sub(r"\W+", "-", model.name.lower()).strip("-"),
        title=model.name,
        summary=_summary(model.description or "", source),
        axes=given.axes,
        channels=given.channels,
        channel_names=_channel_names(source) or (),
        normalization=preprocessing(source.preprocessing, given),
        kind=meaning.kind,
        classes=_class_names(model.outputs[target], meaning, result.channels),
        probabilities=meaning.probabilities,
        threshold=meaning.threshold,
        postprocessing=meaning.steps,
        pixel_size=_pixel_size(source),
        output=target if len(model.outputs) > 1 else None,
        halo=_halo(model.outputs[target], _written(package, "outputs", target)),
        minimum=minimum,
        step=step,
        source=package.source,
        citation="; ".join(_cited(entry) for entry in model.cite),
        licence=str(model.license or ""),
    )


def meaning_of(package: Package, position: int) -> Meaning:
    """Return what an output of a package means; raises ModelFileError as `postprocessing` does."""
    output = package.description.outputs[position]
    return postprocessing(output.postprocessing, tensor_of(output), _bounds(package, position))


def tensor_of(descr: Any) -> Tensor:
    """Return spatial axes and channels of a tensor (batch, channel, space); other orders are refused."""
    kinds = [axis.type for axis in descr.axes]
    space = "".join(str(axis.id) for axis in _space(descr))
    if kinds[:2] != ["batch", "channel"] or set(kinds[2:]) != {"space"} or not "zyx".endswith(space):
        order = ", ".join(str(axis.id) for axis in descr.axes)
        raise ModelFileError(
            f"the package's tensor {descr.id} has the axes {order}: "
            "only batch, channel and then space (z, y, x) can be used; choose another model"
        )
    return Tensor(space, int(descr.axes[1].size))


def _only_input(model: Any) -> Any:
    needed = [one for one in model.inputs if not getattr(one, "optional", False)]
    if len(model.inputs) != 1:
        names = ", ".join(str(one.id) for one in needed or model.inputs)
        raise ModelFileError(
            f"the package's network takes {len(model.inputs)} inputs ({names}), not one image: choose "
            "another model"
        )
    return model.inputs[0]


def _position(model: Any, output: int | str | None) -> int:
    names = [str(one.id) for one in model.outputs]
    if output is None:
        return 0
    if isinstance(output, int) and 0 <= output < len(names):
        return output
    if output not in names:
        raise ModelFileError(f"the package has no output {output!r}: name one of its own, {', '.join(names)}")
    return names.index(str(output))


def _space(descr: Any) -> list[Any]:
    return [axis for axis in descr.axes if axis.type == "space"]


def _bounds(package: Package, position: int) -> Range:
    """Return the range that the values of an output have, as its description says in its own version."""
    data = package.description.outputs[position].data
    bounds = getattr(data, "range", (None, None))
    bounds = _written(package, "outputs", position).get("data_range", bounds)
    return None if bounds[0] is None else float(bounds[0]), None if bounds[1] is None else float(bounds[1])


def _written(package: Package, tensors: str, position: int) -> dict[str, Any]:
    """Return a tensor as it is written: the newest form of an old description has lost some of it."""
    found: dict[str, Any] = package.content[tensors][position]
    return found


def _channel_names(descr: Any) -> tuple[str, ...]:
    names = tuple(map(str, descr.axes[1].channel_names))
    return () if all(_INVENTED.fullmatch(name) for name in names) else names


def _class_names(descr: Any, meaning: Meaning, channels: int) -> tuple[str, ...]:
    """Return the names of the labels: those of the channels, or of no and yes for a single one."""
    names = _channel_names(descr)
    return ("background", *names) if names and channels == 1 and meaning.kind == "threshold" else names


def _summary(description: str, source: Any) -> str:
    first = source.preprocessing[0].kwargs.dtype if source.preprocessing else "float32"
    made = f"made for {first} pixels" if first not in {"float32", "float64"} else ""
    return " - ".join(part for part in (" ".join(description.split()), made) if part)


def _pixel_size(source: Any) -> float | None:
    """Return the size of a pixel in y and x in micrometres; None where it is not given or they differ."""
    sizes = {axis.scale * _MICROMETRES.get(axis.unit, 0.0) for axis in _space(source)[-2:]}
    return (sizes.pop() or None) if len(sizes) == 1 else None


def _sizes(source: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the smallest size and the step of sizes per spatial axis; a step of 0 is one size only."""
    axes = {str(axis.id): axis for axis in _space(source)}
    ranges: Sequence[tuple[int, int]] = [_size(axis, axes) for axis in axes.values()]
    return tuple(low for low, _ in ranges), tuple(step for _, step in ranges)


def _size(axis: Any, axes: dict[str, Any]) -> tuple[int, int]:
    size = axis.size
    if isinstance(size, int):
        return size, 0
    if hasattr(size, "step"):
        return int(size.min), int(size.step)
    other = axes.get(str(size.axis_id))
    if other is None or other.scale != axis.scale:
        return 1, 1
    low, step = _size(other, axes)
    return low + size.offset, step


def _halo(output: Any, written: dict[str, Any]) -> tuple[int, ...]:
    """Return the declared halo per spatial axis; one of version 0.4 as it is written, a number per letter."""
    if "halo" in written:
        return tuple(n for axis, n in zip(written["axes"], written["halo"], strict=True) if axis in "zyx")
    return tuple(int(getattr(axis, "halo", 0)) for axis in _space(output))


def _cited(entry: Any) -> str:
    link = f"https://doi.org/{entry.doi}" if entry.doi else str(entry.url or "")
    return f"{entry.text} {link}".strip()
