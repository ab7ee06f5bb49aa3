"""A network that cannot be exact in tiles: why, and what can be done all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.fx import GraphModule

from napari_exactile.network.gives import gives
from napari_exactile.network.traced.forms import weights
from napari_exactile.network.traced.graph import Graph, NotExactError, Refusal
from napari_exactile.network.traced.outputs import Output
from napari_exactile.wrappers import deciding

WAY_OUT = 'Or run it in approximate mode with a radius of your own (method "approximate", radius 64 say)'


@dataclass(frozen=True)
class Refused:
    """A network that cannot be exact in tiles, for images of one spatial shape: `refusals` say why.

    Nothing is derived of it: F, context, radius and padding are None. `output` is the name of the output that
    counts, where the network has several.

    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> refused = ex.analyse(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softmax(-1)).eval(), (64, 64))
    >>> isinstance(refused, ex.Refused), refused.radius, [refusal.reason for refusal in refused.refusals]
    (True, None, ['it works along a spatial axis'])
    """

    shape: tuple[int, ...]
    channels: int
    refusals: tuple[Refusal, ...]
    output: Output = None

    factor: ClassVar[None] = None
    context: ClassVar[None] = None
    radius: ClassVar[None] = None
    paper_radius: ClassVar[None] = None
    padding: ClassVar[None] = None

    @property
    def way_out(self) -> str:
        """What can be done all the same; empty where approximate tiles cannot be run either."""
        return "" if any(refusal.final for refusal in self.refusals) else WAY_OUT

    def explain(self, width: int = 120) -> str:
        """Return the refusals in plain text, a line for each, whatever the `width`."""
        lines = ["Cannot be exact:", *(f"  {refusal}" for refusal in self.refusals), self.way_out]
        return "\n".join(line for line in lines if line)


def refuse_training(module: nn.Module) -> None:
    """Raise NotExactError for a network in training mode, or with a batch norm that was left in it."""
    # Frozen TorchScript has no such switch and exported programs a meaningless one: what is left of training
    # in them is refused operator by operator.
    parts = () if isinstance(module, GraphModule) else deciding(module)
    if any(getattr(part, "training", False) for part in parts):
        reason = "it is in training mode, where dropout and batch norm depend on chance and on the batch"
        raise NotExactError((Refusal("model", "", reason, "Call .eval() on it first", final=True),))
    for path, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.training and part.track_running_stats:
            # Not even traced: it would count the trace as a step of training.
            reason = "it was left in training mode, where it normalises with statistics of the batch"
            remedy = "Call .eval() on the model first"
            raise NotExactError((Refusal("batch norm", path, reason, remedy, final=True),))


def refuse_nan(module: nn.Module) -> None:
    """Raise NotExactError for a network with weights that are no numbers: all that it gives would be NaN.

    Endless numbers may be meant as such in what is no parameter, a mask say.
    """
    for name, tensor in weights(module):
        if not tensor.is_floating_point() or not tensor.numel() or tensor.is_meta:
            continue
        low, high = tensor.detach().aminmax()
        if low.isnan() or (isinstance(tensor, nn.Parameter) and not (low.isfinite() and high.isfinite())):
            what = "NaN" if low.isnan() else "infinity"
            reason = f"its weights hold {what}, so that it gives no scores"
            raise NotExactError((Refusal("weights", name, reason, "Train or load it again", final=True),))


def labels_of(graph: Graph) -> Refusal | None:
    """Return what refuses a network that gives whole numbers, for runs: a decision leaves no near-ties.

    None where it gives scores.
    """
    output = graph.nodes[graph.output]
    if output.dtype.is_floating_point:
        return None
    by = gives(graph).operator or output.name
    kind = str(output.dtype).removeprefix("torch.")
    reason = f"it gives whole numbers ({kind}, by {by}), not a score for each class"
    before = "what it compares" if output.dtype == torch.bool else f"what comes before {by}"
    return Refusal("output", "", reason, f"Let it return {before}: labels are made of it here", final=True)
