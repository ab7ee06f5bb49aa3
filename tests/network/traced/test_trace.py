"""What the trace records, and what it refuses, with the place in the model."""

from __future__ import annotations

import psutil
import pytest
import torch
from torch import Tensor, nn

from integer_nets import assert_exact
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import analyse_module, require_derived
from napari_exactile.network.rules.table import handled, rule
from napari_exactile.network.traced.graph import NotExactError, Ref
from napari_exactile.network.traced.trace import trace
from napari_exactile.run.plan.plan import plan_tiles
from napari_exactile.torch_state import exact_arithmetic


def test_a_huge_image_is_traced_without_memory() -> None:
    """100,000 x 50,000 pixels are analysed without memory of image size."""
    net = UNet(base=8).eval()
    analyse_module(net, 1, (64, 64))
    before = psutil.Process().memory_info().rss
    analysis = analyse_module(net, 1, (100_000, 50_000))
    assert analysis.frame.taken == (100_000, 50_000)
    assert psutil.Process().memory_info().rss - before < 50e6


def test_weights_stay_by_reference() -> None:
    """The graph holds the module's own parameters, not copies."""
    net = UNet(levels=1, base=2).eval()
    graph = trace(net, (1, 1, 8, 8))
    leaves = (leaf for node in graph.nodes for leaf in node.args)
    held = {id(leaf) for leaf in leaves if isinstance(leaf, Tensor)}
    assert {id(parameter) for parameter in net.parameters()} <= held


def test_nodes_know_the_module_that_called_them() -> None:
    """Every operator of a module carries the module's path; calls in forward carry the caller's."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(2, 1, 1)))
    places = [node.place for node in trace(net.eval(), (1, 1, 8, 8)).nodes]
    assert places == ["", "0", "1.0", "1.1"]


def test_no_hooks_are_left_behind() -> None:
    """Tracing leaves the module and torch's global hooks as they were, also when it fails."""
    hooks = nn.modules.module
    before = len(hooks._global_forward_hooks), len(hooks._global_forward_pre_hooks)
    analyse_module(UNet(levels=1, base=2).eval(), 1, (8, 8))
    analyse_module(Steered().eval(), 1, (8, 8))
    assert (len(hooks._global_forward_hooks), len(hooks._global_forward_pre_hooks)) == before


def test_in_place_operators_become_out_of_place() -> None:
    """`relu_` and assignment to a slice are recorded as new tensors, so nothing is silently lost."""

    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu_(x + 1)
            y[:, 0] = 0
            return y

    names = [node.name for node in trace(InPlace(), (1, 2, 8, 8)).nodes]
    assert names[1:3] == ["add", "relu"]
    assert "select_scatter" in names


def test_what_does_not_depend_on_the_image_is_a_constant() -> None:
    """Weight norm is computed once, at the trace."""
    net = nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3))
    graph = trace(net.eval(), (1, 1, 8, 8))
    assert [node.name for node in graph.nodes] == ["image", "convolution"]
    assert torch.equal(graph.nodes[1].args[1], net.weight)


def test_dropout_and_dead_ends_leave_no_trace() -> None:
    """Operators whose result nobody reads are dropped; dropout in evaluation does nothing."""

    class Dead(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x.max(dim=1)
            return nn.functional.dropout(x, training=self.training) * 2

    graph = trace(Dead().eval(), (1, 1, 8, 8))
    assert [node.name for node in graph.nodes] == ["image", "mul"]
    assert graph.nodes[1].args[0] == Ref(0)


class Steered(nn.Module):
    """Looks at the pixels to decide what to do."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if self.gate(x).mean() > 0 else x


class Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        weights = torch.softmax(flat.transpose(1, 2) @ flat, -1)
        return (flat @ weights).reshape(x.shape)


class Cumulated(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(x, dim=-1)


class Sorted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.kthvalue(x, 1, dim=1, keepdim=True)[0]


class Ramp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.arange(x.shape[-1])


@pytest.mark.parametrize(
    ("net", "operator", "place", "reason"),
    [
        (
            nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), Cumulated()),
            "cumsum",
            "1",
            "all that come before it",
        ),
        (Sorted(), "kthvalue", "", "no rule for this operator"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(2)), "output", "", "gives an output of shape"),
        (nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1)), "mean", "1", "the same at every pixel"),
        (Steered(), "", "", ""),
        (Attention(), "", "", ""),
        (nn.Sequential(nn.Softmax(dim=-1)), "softmax", "0", "along a spatial axis"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_what_cannot_be_exact_is_refused_with_its_place(
    net: nn.Module, operator: str, place: str, reason: str
) -> None:
    """Anything without a rule, or steered by pixel values, is refused: operator, place and reason named."""
    analysis = analyse_module(net.eval(), 1, (64, 64))
    assert analysis.refusals
    assert analysis.factor is analysis.context is analysis.radius is None
    refusal = analysis.refusals[0]
    assert operator in refusal.operator
    assert refusal.place == place
    assert reason in refusal.reason
    assert refusal.operator in analysis.explain()
    with pytest.raises(NotExactError, match=refusal.operator):
        require_derived(analysis)


def test_a_constant_that_varies_over_the_image_is_cut_with_it() -> None:
    """Trimmed execution takes the constant's own part; whole tiles by themselves would begin it anew."""
    analysis = assert_exact(Ramp(), (20, 31), (7, 5), 0)
    assert [anchor.operator for anchor in analysis.anchors] == ["add"]
    with pytest.raises(ValueError, match=r"whole-tile.*varies over the image"):
        plan_tiles(analysis, 8, method="whole-tile")


def test_training_mode_is_refused_with_its_remedy() -> None:
    """A network in training mode is refused, and the message says what to call."""
    (refusal,) = analyse_module(UNet(levels=1, base=2).train(), 1, (8, 8)).refusals
    assert ".eval()" in refusal.remedy


def test_a_second_rule_for_an_operator_is_an_error() -> None:
    """No operator can have two rules."""
    assert "convolution" in handled()
    with pytest.raises(ValueError, match="two rules for the operator convolution"):
        rule("convolution")(lambda node, graph: None)  # type: ignore[arg-type,return-value]


def test_exact_arithmetic_is_restored() -> None:
    """TF32, cuDNN's search and autocast are off inside, and as before outside, even after an error."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark = True

    def fail_inside() -> None:
        with torch.autocast("cpu"), exact_arithmetic():
            assert (cudnn.conv.fp32_precision, cudnn.benchmark, cudnn.deterministic) == ("ieee", False, True)
            assert not torch.is_autocast_enabled("cpu")
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert cudnn.benchmark
    cudnn.benchmark = before[2]
    assert (cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark, cudnn.deterministic) == before
