"""Networks that come as TorchScript or exported programs are analysed and computed as the eager ones are."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from integer_nets import Applied, assert_tiled_equals_whole
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.traced.graph import NotExactError
from napari_exactile.network.traced.trace import trace

# Tracing warns that sizes may be baked in: those of these networks are not.
IGNORED = ["ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"]
pytestmark = pytest.mark.filterwarnings(*IGNORED)

SHAPE = (70, 61)
EXAMPLE = torch.zeros(1, 1, 64, 64)


@pytest.fixture(scope="module")
def net() -> UNet:
    """F is 4 and 22 px of context are needed on every side."""
    network = UNet(levels=2, base=4, classes=3).eval().requires_grad_(False)
    randomise(network, 3)
    return network


def example_of(network: nn.Module) -> Tensor:
    return EXAMPLE.to(next(network.parameters()).dtype)


def exported(network: nn.Module, **how: object) -> nn.Module:
    program = torch.export.export(network, (example_of(network),), **how)  # type: ignore[arg-type]
    return program.module()


def with_dynamic_sizes(network: nn.Module) -> nn.Module:
    return exported(network, dynamic_shapes=({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},))


def strictly_exported(network: nn.Module) -> nn.Module:
    sizes = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    return exported(network, dynamic_shapes=(sizes,), strict=True)


def from_file(module: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.jit.save(module, file)
    file.seek(0)
    return torch.jit.load(file)


def scripted(network: nn.Module) -> nn.Module:
    return from_file(torch.jit.script(network))


def traced(network: nn.Module) -> nn.Module:
    return from_file(torch.jit.trace(network, example_of(network), check_trace=False))


def frozen(network: nn.Module) -> nn.Module:
    return from_file(torch.jit.freeze(torch.jit.script(network)))


def frozen_trace(network: nn.Module) -> nn.Module:
    return from_file(torch.jit.freeze(torch.jit.trace(network, example_of(network), check_trace=False)))


SCRIPTS = [scripted, traced, frozen, frozen_trace]
FORMS = [*SCRIPTS, with_dynamic_sizes]


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_of_a_network_give_its_labels(net: UNet, form: Callable[[nn.Module], nn.Module]) -> None:
    """F, context and labels of every method are those of the eager network's pass over the whole image."""
    module = form(net)
    analysis, eager = analyse_module(module, 1, SHAPE), analyse_module(net, 1, SHAPE)
    assert analysis.refusals == ()
    assert (analysis.factor, analysis.context) == (eager.factor, eager.context) == ((4, 4), ((22, 22),) * 2)
    image = np.random.default_rng(0).normal(size=SHAPE)
    whole = ex.segment_whole(image, ex.load_model(net, probabilities=True))
    model = ex.load_model(module, channels=1, probabilities=True)
    results = [
        ex.segment_whole(image, model),
        ex.segment(image, model, tile=60),
        ex.segment(image, model, tile=60, method="whole-tile"),
    ]
    assert len(np.unique(whole.labels)) == 3
    for result in results:
        assert result.report.exact
        np.testing.assert_array_equal(result.labels, whole.labels)


class PaddedToMultiples(nn.Module):
    """Pads its input to multiples of 8 by itself and crops the result."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 3, 3, padding=1)
        self.out = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2], x.shape[3]
        y = F.pad(x, (0, (-w) % 8, 0, (-h) % 8))
        y = F.relu_(self.down(y))
        return self.out(y)[:, :, :h, :w]


class PaddedSkip(PaddedToMultiples):
    """The U-Net whose upsampled branch is padded to the size of the skip."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 3, 2, stride=2)
        self.out = nn.Conv2d(6, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        y = self.up(F.max_pool2d(skip, 2))
        dy, dx = skip.size(2) - y.size(2), skip.size(3) - y.size(3)
        y = F.pad(y, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.out(torch.cat([skip, y], 1))


class Resized(PaddedSkip):
    """Brings the lower branch to the size of the skip."""

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        y = F.interpolate(F.max_pool2d(skip, 2), size=skip.shape[2:], mode="nearest")
        return self.out(torch.cat([skip, y], 1))


class Permuted(PaddedToMultiples):
    """Makes a small tensor in forward, and picks channels by a list."""

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.tensor([2.0, 1.0, 1.0], dtype=x.dtype)
        return self.out(self.down(x)[:, [2, 0, 1]] * weights.view(3, 1, 1))


# The export of PaddedToMultiples holds only for sizes that leave the same remainder as its example's.
ARITHMETIC = [(PaddedToMultiples, form) for form in SCRIPTS]
ARITHMETIC += [(network, form) for network in (PaddedSkip, Resized) for form in FORMS]


@pytest.mark.parametrize(("network", "form"), ARITHMETIC)
def test_arithmetic_with_sizes_is_followed(
    network: Callable[[], nn.Module], form: Callable[[nn.Module], nn.Module]
) -> None:
    """Padding, cropping and resizing by sizes of tensors give, in tiles, the whole pass to the last bit."""
    eager = whole_numbers(network())
    module = form(eager)
    analysis = analyse_module(module, 1, (40, 52))
    assert analysis.refusals == ()
    assert analysis.context == analyse_module(eager, 1, (40, 52)).context
    assert_tiled_equals_whole(module, analysis, (16, 16), 7)


def whole_numbers(network: nn.Module) -> nn.Module:
    """Small integer weights in float64: two or three convolutions deep, every sum is exact."""
    generator = torch.Generator().manual_seed(5)
    for parameter in network.double().eval().requires_grad_(False).parameters():
        parameter.copy_(torch.randint(-3, 4, parameter.shape, generator=generator))
    return network


@pytest.mark.parametrize("form", SCRIPTS)
def test_tensors_made_in_a_script_are_constants(form: Callable[[nn.Module], nn.Module]) -> None:
    """`torch.tensor` and lists of channels inside TorchScript are analysed: they do not end the process."""
    graph = trace(form(whole_numbers(Permuted())), (1, 1, 16, 16))
    assert "index" in [node.name for node in graph.nodes]


class Assigned(PaddedToMultiples):
    def forward(self, x: Tensor) -> Tensor:
        y = self.down(x)
        y[:, :, 0] = 0
        return self.out(y)


@pytest.mark.parametrize("form", [lambda module: module, *FORMS])
def test_assignments_to_parts_are_never_lost(form: Callable[[nn.Module], nn.Module]) -> None:
    """`y[:, :, 0] = 0` is part of the graph of every form, as an operator that makes a new tensor."""
    names = [node.name for node in trace(form(Assigned().eval()), (1, 1, 24, 32)).nodes]
    assert "select_scatter" in names
    assert not any(name.endswith("_") for name in names)


class Steered(PaddedToMultiples):
    def forward(self, x: Tensor) -> Tensor:
        y = self.down(x)
        if y.mean() > 0:
            y = y * 2
        return self.out(y)


class Masked(PaddedToMultiples):
    def forward(self, x: Tensor) -> Tensor:
        y = self.down(x)
        return self.out(y + y[y > 0].sum())


@pytest.mark.parametrize(
    ("network", "form"),
    [(Steered, scripted), *((Masked, form) for form in FORMS)],
)
def test_decisions_by_pixel_values_are_refused(
    network: Callable[[], nn.Module], form: Callable[[nn.Module], nn.Module]
) -> None:
    """An if or a mask that depends on pixels is refused in every form, in plain words, with a remedy."""
    (refusal,) = analyse_module(form(network().eval()), 1, SHAPE).refusals
    assert "depends on pixel values" in refusal.reason
    assert "torch.where" in refusal.remedy
    assert refusal.operator in {"_local_scalar_dense", "index"}


def places(module: nn.Module) -> list[str]:
    return [node.place for node in trace(module, (1, 1, 24, 32)).nodes[1:]]


@pytest.mark.parametrize("form", [with_dynamic_sizes, strictly_exported])
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python:RuntimeWarning")
def test_steps_of_exported_programs_keep_their_places(form: Callable[[nn.Module], nn.Module]) -> None:
    """Every operator of an exported program has the path of the module that it was exported from."""
    network = nn.Sequential(PaddedSkip(), nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU())).eval()
    assert places(form(network)) == places(network)


def just_frozen(network: nn.Module) -> nn.Module:
    return torch.jit.freeze(torch.jit.script(network))


@pytest.mark.parametrize("form", [torch.jit.script, scripted, traced, just_frozen])
def test_operators_of_torchscript_have_the_place_of_their_weights(
    form: Callable[[nn.Module], nn.Module],
) -> None:
    """An operator that reads weights has their path; others come "after" it. Freezing keeps the names."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(2, 1, 1))).eval()
    assert places(form(network)) == ["0", "after 0", "1.1"]


def test_frozen_files_have_no_places() -> None:
    """A frozen network from a file has lost all names: places are empty, not wrong."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 1)).eval()
    assert set(places(frozen(network))) == {""}


def test_a_frozen_network_keeps_its_type(net: UNet) -> None:
    """The weights of a frozen file, which are no parameters any more, say that it computes in float64."""
    graph = trace(frozen(UNet(levels=1, base=2).double().eval()), (1, 1, 8, 8))
    assert graph.nodes[0].dtype == torch.float64


def test_an_export_of_a_fixed_size_is_refused_with_the_remedy(net: UNet) -> None:
    """It holds for one size only: the refusal says how to export it for all."""
    (refusal,) = analyse_module(exported(net), 1, SHAPE).refusals
    assert "size" in refusal.reason
    assert "Dim.DYNAMIC" in refusal.remedy


def test_an_exported_program_is_a_model(net: UNet, tmp_path: Path) -> None:
    """What torch.export saves and loads again is a model, with the channels of its first convolution."""
    sizes = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    torch.export.save(torch.export.export(net, (EXAMPLE,), dynamic_shapes=(sizes,)), tmp_path / "net.pt2")
    model = ex.load_model(torch.export.load(tmp_path / "net.pt2"))
    assert model.card.channels == 1
    assert ex.analyse(model, SHAPE).context == ((22, 22), (22, 22))


def test_what_was_optimised_for_one_processor_is_refused() -> None:
    """optimize_for_inference leaves operators that nobody can follow: the refusal says to save it without."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 2, 1)).eval()
    optimised = torch.jit.optimize_for_inference(torch.jit.script(network))
    (refusal,) = analyse_module(optimised, 1, SHAPE).refusals
    assert "optimize_for_inference" in refusal.remedy


class Numpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_numpy(np.zeros(x.shape[2:], np.float32))


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.rand(1, 4, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return x + F.interpolate(self.positions, size=x.shape[2:], mode="bicubic")


@pytest.mark.parametrize(
    ("network", "operator", "reason"),
    [(Numpy(), "add", "outside torch"), (Positions(), "upsample_bicubic2d", "as large as the image")],
)
def test_constants_as_large_as_the_image_are_refused(network: nn.Module, operator: str, reason: str) -> None:
    """Arrays that grow with the image, from numpy or from weights, are refused before they are computed."""
    with pytest.raises(NotExactError) as caught:
        trace(network.eval(), (1, 1, 2048, 2048))
    (refusal,) = caught.value.refusals
    assert refusal.operator == operator
    assert reason in refusal.reason


def test_large_weights_are_no_large_constants() -> None:
    """Weights beyond the limit for constants stay, also where they are not registered or are computed."""
    weight = torch.rand(1 << 11, 1 << 10, 1, 1)
    network = Applied(lambda x: F.conv2d(F.conv2d(x, torch.ones(1 << 10, 1, 1, 1)), weight))
    network.kept = [weight]
    assert len(trace(network, (1, 1, 8, 8)).nodes) == 3
    normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(1 << 10, 1 << 11, 1))
    assert len(trace(normed.eval(), (1, 1 << 10, 8, 8)).nodes) == 2


@pytest.mark.parametrize("form", [*FORMS, just_frozen])
def test_large_weights_of_other_forms_are_no_large_constants(form: Callable[[nn.Module], nn.Module]) -> None:
    """Weights beyond the limit for constants are weights in every form, also where freezing hides them."""
    layers = nn.Conv2d(1, 1 << 10, 1), nn.Conv2d(1 << 10, 1 << 11, 1), nn.BatchNorm2d(1 << 11)
    graph = trace(form(nn.Sequential(*layers).eval()), (1, 1, 8, 8))
    assert len(graph.nodes) in {3, 4}  # freezing folds the batch norm
