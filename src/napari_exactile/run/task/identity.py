"""What a result depends on, in values that can be compared later: image, model and settings."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Any, Literal

import torch
from msgspec import UNSET, UnsetType
from torch.utils._pytree import tree_map

from napari_exactile.geometry.interval import sides_of
from napari_exactile.images.normalize.parse import steps_of
from napari_exactile.images.normalize.steps import Step
from napari_exactile.images.read.fingerprint import stamp_of
from napari_exactile.images.read.sample import image_hash
from napari_exactile.models.load import Model
from napari_exactile.network.analysis import Runnable
from napari_exactile.network.declared import Declared
from napari_exactile.network.traced.graph import Graph, Ref
from napari_exactile.record import Record, Side, spaced
from napari_exactile.run.plan.settings_record import Ignored, as_ignored
from napari_exactile.run.task.decision import Decision
from napari_exactile.run.task.task import Task


class Identity(Record, frozen=True, kw_only=True, rename=spaced):
    """What labels depend on, by names for people.

    The image is known by its shape, its type and a hash of 32 places, and by times and sizes of its files
    where they are known; the model by a hash of its operators and weights.
    """

    image_shape: tuple[int, ...]
    image_file: str | UnsetType = UNSET
    image_content: str
    model: str
    decision: str
    type_of_probabilities_or_values: str
    normalization: tuple[Step, ...]
    normalization_of_the_planes_together: bool
    value_to_ignore: Ignored
    method: str
    tile: int | Literal["auto"]
    radius: tuple[int, ...]
    size_factor: tuple[int, ...]
    # Unset where all images were padded.
    padding: tuple[str, ...] | UnsetType = UNSET
    region: tuple[Side, ...] | None
    device: str


def identity(task: Task) -> Identity:
    """Return what the labels of a task depend on.

    Some places of the image are read, and all weights. Raises ChangedError where a file is no longer what was
    opened.
    """
    source = task.planes.whole
    return _identity(
        task, stamp_of(source) or UNSET, image_hash(source), model_hash(task.model, task.given)
    )  # fmt: skip


def seemingly_differing(old: Identity, task: Task) -> str:
    """Return in words what differs as far as it can be told at once: no pixel is read, and no weight."""
    task = task.begun_by(old.method)
    return differing(old, _identity(task, old.image_file, old.image_content, old.model))


def _identity(task: Task, file: str | UnsetType, content: str, model: str) -> Identity:
    settings, source = task.settings, task.planes.whole
    chosen = task.model.card.normalization if settings.normalization == "model" else settings.normalization
    return Identity(
        image_shape=(source.channels, *source.shape),
        image_file=file,
        image_content=content,
        model=model,
        decision=_words(task.decision),
        type_of_probabilities_or_values=_number_type(task),
        normalization=steps_of(chosen),
        normalization_of_the_planes_together=settings.together,
        value_to_ignore=as_ignored(settings.ignore),
        method=task.plan.method.name,
        tile=settings.tile,
        radius=tuple(task.plan.radius),
        size_factor=tuple(task.plan.factor),
        padding=tuple(task.analysis.padding),
        region=None if settings.region is None else sides_of(settings.region),
        device=task.device.type,
    )


def _words(decision: Decision) -> str:
    """Return a decision as stores have had it from the beginning."""
    is_scaled = decision.scale != "logits"
    scale = f", {decision.scale}" if decision.scale == "logarithms" else ""
    return (
        f"Decision(kind={decision.kind!r}, channels={decision.channels}, probabilities={is_scaled}{scale}, "
        f"threshold={decision.threshold}, steps={decision.steps})"
    )


def _number_type(task: Task) -> str:
    kept = task.decision.keeps_numbers(bool(task.settings.probabilities))
    return task.settings.number_type if kept else "none"


def differing(old: Identity, new: Identity, free: Collection[str] = ()) -> str:
    """Return in words what differs, but for what is `free` to; nothing where all is the same.

    What one run did not know, such as the file of an image that came as an array, cannot differ.
    """
    then, now = old.as_json(), new.as_json()
    names = [name for name in then if name in now and name not in free and then[name] != now[name]]
    if "padding" in names:  # the model's trace has the size of the padded image
        names = [name for name in names if name != "model"]
    return ", ".join(name + _change(then[name], now[name]) for name in names)


def _change(old: Any, new: Any) -> str:
    words = f" ({old}, now {new})"
    return words if len(words) < 60 else ""


def model_hash(model: Model, analysis: Runnable) -> str:
    """Return a hash of what a network computes: its operators, their arguments and its weights.

    Of one that cannot be traced, it is that of its modules and weights.
    """
    found = sha256()
    if isinstance(analysis, Declared):
        found.update(f"{model.module}".encode())
        for name, tensor in model.module.state_dict().items():
            found.update(name.encode())
            _add(found, tensor)
        return found.hexdigest()
    for line in _operators(analysis.graph):
        found.update(line.encode())
    for constant in analysis.graph.constants():
        _add(found, constant)
    return found.hexdigest()


def _add(found: Any, tensor: Any) -> None:
    if isinstance(tensor, torch.Tensor):
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        plain = tensor.detach().cpu().contiguous()
        found.update(plain.reshape(-1).view(torch.uint8).numpy().data)


def _operators(graph: Graph) -> list[str]:
    plain = bool | int | float | str | Ref | torch.dtype | None

    def told(leaf: Any) -> Any:
        return repr(leaf) if isinstance(leaf, plain) else type(leaf).__name__

    return [
        f"{node.op} {node.result} {tree_map(told, node.args)} {tree_map(told, node.kwargs)}\n"
        for node in graph.nodes
    ]
