"""What a result depends on, in values that can be compared later: image, model and settings."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import torch
from torch.utils._pytree import tree_map

from napari_exactile.geometry.interval import Interval
from napari_exactile.images.normalize.parse import steps_of
from napari_exactile.images.normalize.statistics import is_missing
from napari_exactile.images.normalize.steps import steps_as_json, steps_from_json
from napari_exactile.images.read.fingerprint import stamp_of
from napari_exactile.images.sample import image_hash
from napari_exactile.models.load import Model
from napari_exactile.network.analysis import Runnable
from napari_exactile.network.declared import Declared
from napari_exactile.network.traced.graph import Graph, Ref
from napari_exactile.run.plan.settings import Device, Settings
from napari_exactile.run.task.decision import Decision
from napari_exactile.run.task.task import Task

Identity = dict[str, Any]
# What `identity` has said from the beginning: a store that does not say it is damaged.
ALWAYS = (
    "image shape", "image content", "model", "decision", "type of probabilities or values", "normalization",
    "normalization of the planes together", "value to ignore", "method", "tile", "radius", "size factor",
    "region", "device",
)  # fmt: skip


def identity(task: Task) -> Identity:
    """Return what the labels of a task depend on, by names for people; all values fit into JSON.

    The image is known by its shape, its type and a hash of 32 places, which are read, and by times and sizes
    of its files where they are known; the model by a hash of its operators and weights. Raises ChangedError
    where a file is no longer what was opened.
    """
    settings, source = task.settings, task.planes.whole
    chosen = task.model.card.normalization if settings.normalization == "model" else settings.normalization
    stamped = {"image file": stamp} if (stamp := stamp_of(source)) else {}
    return {
        "image shape": [source.channels, *source.shape],
        **stamped,
        "image content": image_hash(source),
        "model": model_hash(task.model, task.given),
        "decision": _words(task.decision),
        "type of probabilities or values": _number_type(task),
        "normalization": steps_as_json(steps_of(chosen)),
        "normalization of the planes together": settings.together,
        "value to ignore": _as_json(settings.ignore),
        "method": settings.method,
        "tile": settings.tile,
        "radius": list(task.plan.radius),
        "size factor": list(task.plan.factor),
        "padding": list(task.analysis.padding),
        "region": settings.region and [[side.start, side.stop] for side in settings.region],
        "device": task.device.type,
    }


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


def differing(old: Identity, new: Identity) -> str:
    """Return in words what differs; nothing where all is the same.

    >>> differing({"tile": 512, "model": "a"}, {"tile": 256, "model": "a"})
    'tile (512, now 256)'
    """
    # What one run did not know, such as the file of an image that came as an array, cannot differ.
    names = [name for name in old if name in new and old[name] != new[name]]
    if "padding" in names:  # the model's trace has the size of the padded image
        names = [name for name in names if name != "model"]
    return ", ".join(name + _change(old[name], new[name]) for name in names)


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

    def add(constant: torch.Tensor) -> torch.Tensor:
        _add(found, constant)
        return constant

    analysis.graph.with_constants(add)
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


def settings_from_json(kept: dict[str, Any], device: Device = "auto") -> Settings:
    """Return the settings of which `settings_as_json` kept what matters, for this device."""
    region, steps = kept["region"], kept["normalization"]
    return Settings(
        # Before the image's own size was taken, all were padded.
        **{"padding": "always"}
        | kept
        | {
            "region": region and tuple(Interval(*side) for side in region),
            "ignore": None if kept["ignore"] is None else float(kept["ignore"]),
            "normalization": steps if isinstance(steps, str) else steps_from_json(steps),
            "device": device,
        }
    )


def _as_json(ignore: float | None) -> float | str | None:
    return "nan" if is_missing(ignore) else ignore  # JSON has no NaN


def settings_as_json(settings: Settings) -> dict[str, Any]:
    """Return what of the settings another run needs to be the same."""
    chosen = settings.normalization
    return {
        "tile": settings.tile,
        "radius": settings.radius,
        "method": settings.method,
        "region": settings.region and [[side.start, side.stop] for side in settings.region],
        "normalization": chosen if isinstance(chosen, str) else steps_as_json(chosen),
        "factor": settings.factor,
        "threshold": settings.threshold,
        "probabilities": settings.probabilities,
        "together": settings.together,
        "ignore": _as_json(settings.ignore),
        "output_kind": settings.output_kind,
        "padding": settings.padding,
    }
